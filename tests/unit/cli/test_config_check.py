"""`config check`: what would stop a process at its start, and what should not stay as it is."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh import keys
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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("targets = 3", r"`array`.*\$\.targets"),
        ("nats = { url = 3 }", r"\$\.nats\.url"),
        ("heartbeats = 5", "heartbeats"),
        ('[[targets]]\nservice = "Orders"', r"'Orders' is no legal name.*\$\.targets"),
        ('[[targets]]\nservice = "orders"\npid = 1\nport = 2', "one way"),
        ("= broken", "no valid TOML"),
        ('[[rules]]\ncode = "RES-999"', r"rules\[0\]\.code: there is no rule 'RES-999'"),
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


def test_secrets_and_files_are_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed, wrong = tmp_path / "a.nk", tmp_path / "b.nk"
    keys.write_seed(seed, keys.generate())
    seed.chmod(0o644)
    wrong.write_text("no seed")
    wrong.chmod(0o600)
    path = written(
        tmp_path,
        f"""
        nats = {{ url = "nats://me:secret@host", nkey_file = "{seed}", creds_file = "{wrong}", tls_ca_file = "/gone" }}
        connections.other = {{ nkey_file = "/gone.nk" }}
        [[targets]]
        service = "orders"
        probes = [{{ srv = "x" }}, {{ http = "http://a", headers = {{ Authorization = "file:/gone.txt" }} }}]
        """,
    )
    assert run(["config", "check", str(path)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        f"nats.nkey_file: others may read {seed}; run: chmod 600 {seed}",
        "nats.creds_file: " + str(wrong) + " holds no seed",
        "nats: nkey_file and creds_file are both set",
        "nats.tls_ca_file: cannot read /gone: No such file",
        "nats.url holds a password",
        "connections.other.nkey_file: cannot read /gone.nk",
        "connections.other: no target of that service",
        "targets[0] (orders): no way to find its process",
        "targets[0].probes[0]: needs targets.nats",
        "targets[0].probes[1].headers.Authorization: cannot read /gone.txt",
    ):
        assert " ".join(part.split()) in said


def test_warnings_are_in_the_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "")
    assert run(["config", "check", str(path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["kind"] == "sidecar"
    assert "targets: none" in report["warnings"][0]


text = st.text(st.characters(codec="utf-8"), max_size=30)


@given(url=text, label=text, name=text, body=text)
def test_written_settings_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, url: str, label: str, name: str, body: str
) -> None:
    settings = SidecarSettings(
        nats=NatsSettings(url=url),
        targets=(
            TargetSettings(
                service="orders",
                pid=7,
                labels={label: name},
                probes=(ProbeSettings(name=name, http="http://x", expect_body=body, expect_status=(200, 204)),),
                nats=NatsSettings(inbox_prefix="_INBOX_observer"),
            ),
        ),
        heartbeat_s=1.5,
    )
    path = write_settings(tmp_path_factory.mktemp("toml") / "a.toml", settings)
    assert load(SidecarSettings, str(path), {}) == settings
    assert "None" not in toml_of(settings)
