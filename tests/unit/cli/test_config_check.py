"""`config check`: what would stop a process at its start, and what should not stay as it is."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh import keys
from diagmesh.errors import SettingsError
from diagmesh.settings import NatsSettings, ProbeSettings, SidecarSettings, TargetSettings, load
from diagmesh_cli.commands.config_check import check_file
from diagmesh_cli.local.settings_file import toml_of, write_settings
from diagmesh_cli.main import run

FINE = '[[targets]]\nservice = "orders"\nport = 8080\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


def test_fine_settings_end_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", str(written(tmp_path, FINE))]) == 0
    assert "fine settings of a sidecar" in capsys.readouterr().out


def test_the_registry_of_a_coordinator_and_a_bucket_that_its_role_may_not_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "check", str(written(tmp_path, 'registry = { keep = "required" }'))]) == 0
    assert "fine settings of a coordinator" in capsys.readouterr().out
    assert run(["config", "check", str(written(tmp_path, 'registry = { bucket = "mine" }'))]) == 1
    assert "registry.bucket: diagmesh init permits diag_registry only" in " ".join(capsys.readouterr().out.split())
    assert run(["config", "check", str(written(tmp_path, 'registry = { keep = "off", bucket = "mine" }'))]) == 0


def test_it_shows_the_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = '[targets.labels]\ntier = "1"\n[[targets]]\nservice = "payments"\ninstance = "p1"\nport = 1\n'
    path = written(tmp_path, '[labels]\nzone = "a"\n' + FINE + more)
    assert run(["config", "check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "labels of orders: zone=a tier=1\nlabels of payments/p1: zone=a\n" in shown
    assert run(["config", "check", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["labels"]
    assert told == {"orders": {"zone": "a", "tier": "1"}, "payments/p1": {"zone": "a"}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("targets = 3", r"`array`.*\$\.targets"),
        ("nats = { url = 3 }", r"\$\.nats\.url"),
        ("heartbeats = 5", "heartbeats"),
        ('[[targets]]\nservice = "Orders"', r"'Orders' is no legal name.*\$\.targets"),
        ('[[targets]]\nservice = "orders"\npid = 1\nport = 2', "one way"),
        ("= broken", "no valid TOML"),
        ('control = ["chaos"]\n' + FINE, "control: no such kind: chaos; there is: log-level"),
        ('control = ["log-level"]\n' + FINE, "control: nobody may use it"),
        ('operators = ["nonsense"]\n' + FINE, "operators: 'nonsense' is no public user nkey"),
        ('operators = []\nregistry = { keep = "always" }', r"'always'.*\$\.registry\.keep"),
        ('registry = { bucket = "a.b" }', r"\$\.registry\.bucket"),
        ('[[rules]]\ncode = "RES-999"', r"rules\[0\]\.code: there is no rule 'RES-999'"),
        ('[[rules]]\ncode = "RES-003"\nservices = ["orders"]', r"rules\[0\] \(RES-003\): it changes nothing"),
        ('[[rules]]\ncode = "RES-003"\nsuppress = true', r"rules\[0\] \(RES-003\): suppress needs a reason"),
    ],
)
def test_what_stops_a_process_ends_with_64_and_names_file_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    path = written(tmp_path, text)
    assert run(["config", "check", str(path), "--json"]) == 64
    captured = capsys.readouterr()
    problem = json.loads(captured.out)["error"]
    assert problem["code"] == 400
    assert str(path) in problem["detail"]
    assert re.search(says, problem["detail"])
    assert problem["detail"] in captured.err


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", str(tmp_path / "gone.toml")]) == 64
    assert "gone.toml: No such file" in capsys.readouterr().err


def test_the_kind_is_told_by_the_keys_or_given(tmp_path: Path) -> None:
    path = written(tmp_path, "deadline_s = 3\n")
    assert check_file(path).kind == "coordinator"
    assert run(["config", "check", str(path), "--kind", "sidecar"]) == 64
    assert run(["config", "check", str(path)]) == 0


def test_the_environment_of_the_checker_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGMESH_NATS__NO_SUCH_KEY", "x")
    assert check_file(written(tmp_path, FINE)).warnings == ()


SIDECAR = """
nats = {{ url = "nats://127.0.0.1:1" }}
{top}
[[targets]]
service = "orders"
instance = "i1"
{target}
"""


def sidecar(target: str = "pid = 1", top: str = "") -> str:
    return SIDECAR.format(target=target, top=top)


REFUSED = {
    "no text to look for": ("sidecar", sidecar('probes = [{ tcp = "a:1", expect_body = "x" }]'), "expect_body"),
    "no container id": ("sidecar", sidecar('container = "xyz"'), r"targets\[0\] \(orders\): .*'xyz'"),
    "no address": ("sidecar", sidecar('probes = [{ tcp = "nonsense" }]'), r"targets\[0\]\.probes\[0\].*host:port"),
    "no URL": ("sidecar", sidecar('probes = [{ http = "nonsense" }]'), r"targets\[0\]\.probes\[0\]"),
    "no Go page": (
        "sidecar",
        sidecar("go = {}"),
        r"the table go needs one of pprof, expvar, metrics.*targets\[0\]\.go",
    ),
    "no URL of pprof": ("sidecar", sidecar('go = { pprof = "nonsense" }'), r"targets\[0\]\.go\.pprof: needs a URL"),
    "unknown Go page": ("sidecar", sidecar('go = { vars = "http://a" }'), r"unknown field `vars`.*go"),
    "two probes of one name": ("sidecar", sidecar('probes = [{ tcp = "a:1" }, { tcp = "a:1" }]'), "a second probe"),
    "a header from nowhere": (
        "sidecar",
        sidecar('probes = [{ http = "http://a", headers = { A = "file:/gone" } }]'),
        r"probes\[0\].*No such file",
    ),
    "a bundle from nowhere": (
        "sidecar",
        sidecar('probes = [{ http = "https://a", tls_ca_file = "/gone" }]'),
        r"probes\[0\]\.tls_ca_file",
    ),
    "no level": ("sidecar", sidecar(top='log_level = "loud"'), "log_level: 'loud' is none of"),
    "no kind": ("sidecar", sidecar(top='disable = ["nope"]'), "no such kind: nope"),
    "two of one name": (
        "sidecar",
        sidecar() + '[[targets]]\nservice = "orders"\ninstance = "i1"\npid = 2',
        "two targets are both named orders/i1",
    ),
    "no key": ("sidecar", sidecar().replace("url =", 'nkey_file = "/gone.nk", url ='), r"nats\.nkey_file: .*/gone\.nk"),
    "no URL of a server": ("sidecar", sidecar().replace("nats://127.0.0.1:1", "nats://a:b"), r"nats\.url: malformed"),
    "no bundle": ("sidecar", sidecar().replace("url =", 'tls_ca_file = "/gone", url ='), r"nats\.tls_ca_file"),
    "no credentials of the observer": (
        "sidecar",
        sidecar('pid = 1\nnats = { creds_file = "/gone.creds" }'),
        r"creds_file: .*/gone\.creds",
    ),
    "no operator": ("coordinator", 'operators = ["garbage"]', "operators: 'garbage' is no public user nkey"),
    "no name": ("coordinator", 'instance = "C 1"', "instance 'C 1' is no legal name"),
    "no name of a service": ("coordinator", '[replicas]\n"Not Legal" = 2', "'Not Legal' is no legal name"),
    "no level of a coordinator": ("coordinator", 'deadline_s = 1\nlog_level = "loud"', "log_level: 'loud'"),
}
PROCESSES = {"sidecar": "diagmesh_agents", "coordinator": "diagmesh_coordinator"}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_process_refuses_is_refused_here_too(case: str, tmp_path: Path) -> None:
    kind, text, says = REFUSED[case]
    path = written(tmp_path, text)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DIAGMESH_")}
    started = [sys.executable, "-m", PROCESSES[kind], "--config", str(path)]
    process = subprocess.run(started, env=clean, capture_output=True, text=True, timeout=30, check=False)
    assert process.returncode == 64, process.stderr
    with pytest.raises(SettingsError, match=says) as caught:
        check_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert run(["config", "check", str(path)]) == 64


def test_a_connection_that_is_not_made_is_not_checked(tmp_path: Path) -> None:
    text = sidecar(top='connections.orders = { url = "nats://127.0.0.1:1" }').replace("127.0.0.1:1", "a:b", 1)
    assert check_file(written(tmp_path, text)).warnings == ()


def test_what_works_but_should_not_stay_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed, other = tmp_path / "a.nk", tmp_path / "b.nk"
    for file in (seed, other):
        keys.write_seed(file, keys.generate())
    seed.chmod(0o644)
    other.write_text(f"e30.e30.e30\n{other.read_text()}")  # a credentials file has a JWT as well
    path = written(
        tmp_path,
        f"""
        nats = {{ url = "nats://me:secret@host", nkey_file = "{seed}", creds_file = "{other}" }}
        connections.other = {{ nkey_file = "/gone.nk" }}
        [[targets]]
        service = "orders"
        probes = [{{ srv = "x" }}]
        """,
    )
    assert run(["config", "check", str(path)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        f"nats.nkey_file: others may read {seed}; run: chmod 600 {seed}",
        "nats: nkey_file and creds_file are both set",
        "nats.url holds a password",
        "connections.other: no target of that service",
        "targets[0] (orders): no way to find its process",
        "targets[0].probes[0]: needs targets.nats",
    ):
        assert " ".join(part.split()) in said
    assert "b.nk; run" not in said


def test_warnings_are_in_the_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "")
    assert run(["config", "check", str(path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["kind"] == "sidecar"
    assert "targets: none" in report["warnings"][0]


text = st.text(st.characters(codec="utf-8"), max_size=30)


@given(url=text, label=st.sampled_from(["zone", "app.kubernetes.io/name"]), name=text, body=text)
def test_written_settings_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, url: str, label: str, name: str, body: str
) -> None:
    settings = SidecarSettings(
        nats=NatsSettings(url=url),
        targets=(
            TargetSettings(
                service="orders",
                pid=7,
                labels={label: "a-1"},
                probes=(ProbeSettings(name=name, http="http://x", expect_body=body, expect_status=(200, 204)),),
                nats=NatsSettings(inbox_prefix="_INBOX_observer"),
            ),
        ),
        heartbeat_s=1.5,
    )
    path = write_settings(tmp_path_factory.mktemp("toml") / "a.toml", settings)
    assert load(SidecarSettings, str(path), {}) == settings
    assert "None" not in toml_of(settings)


def test_written_settings_are_tables_as_people_write_them() -> None:
    observer = NatsSettings(inbox_prefix="_INBOX_observer")
    first = TargetSettings(
        service="orders",
        exe="orders",
        labels={"app.kubernetes.io/name": "orders"},
        probes=(ProbeSettings(tcp="x:1"), ProbeSettings(http="http://x", expect_status=(200,))),
        nats=observer,
    )
    settings = SidecarSettings(operators=("UA", "UB"), targets=(first, TargetSettings(service="payments", pid=7)))
    assert (
        toml_of(settings, brief=True)
        == """\
operators = ["UA", "UB"]

[[targets]]
service = "orders"
exe = "orders"

[[targets.probes]]
tcp = "x:1"

[[targets.probes]]
http = "http://x"
expect_status = [200]

[targets.labels]
"app.kubernetes.io/name" = "orders"

[targets.nats]
url = "nats://127.0.0.1:4222"
inbox_prefix = "_INBOX_observer"

[[targets]]
service = "payments"
pid = 7
"""
    )


def test_the_command_that_mends_a_mode_can_be_typed_whatever_the_file_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = tmp_path / "key of 'orders'.nk"
    keys.write_seed(seed, keys.generate())
    seed.chmod(0o644)
    path = written(tmp_path, f'nats.nkey_file = "{seed}"\ntargets = [{{ service = "orders", port = 1 }}]\n')
    assert run(["config", "check", str(path), "--json"]) == 1
    command = json.loads(capsys.readouterr().out)["warnings"][0].partition("run: ")[2]
    assert shlex.split(command) == ["chmod", "600", str(seed)]
