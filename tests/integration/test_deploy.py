"""What stands in deploy/ is valid by the schemas of its tools, and our own programs accept what it gives them."""

import os
import re
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from diagmesh import keys
from diagmesh.settings import CoordinatorSettings, SidecarSettings
from diagmesh_agents._arguments import parse as parse_sidecar
from diagmesh_cli.commands.config_check import check_file
from diagmesh_cli.main import run as cli
from diagmesh_coordinator.arguments import parse as parse_coordinator
from diagmesh_coordinator.fingerprint import fingerprint
from support.house import ROOT
from support.natsserver import MakeServer, find_nats_server
from support.programs import Program, wait_until

DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final = DEPLOY / "compose" / "compose.yaml"
MANIFESTS: Final = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS: Final = sorted((DEPLOY / "systemd").glob("*.service"))
DOCKERFILE: Final = DEPLOY / "docker" / "Dockerfile"
BESIDE: Final = Path(sys.executable).parent
EXPOSURE_LIMIT: Final = 25
"""Tenths of what systemd-analyze calls exposure; above 50 it says MEDIUM."""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def accepted(
    command: list[str], variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> SidecarSettings | CoordinatorSettings:
    """What our program makes of its command line and environment, as it stands in a manifest."""
    for name in [name for name in os.environ if name.startswith("DIAGMESH_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    program, *words = [re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], word) for word in command]
    return parse_sidecar(words).settings if program == "sidecar" else parse_coordinator(words)


# --- Docker


def test_the_dockerfile_is_linted() -> None:
    done = run(BESIDE / "hadolint", "--failure-threshold", "style", DOCKERFILE)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_bad_dockerfile_would_be_named(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd /tmp && apt-get install curl\n", encoding="utf-8")
    assert run(BESIDE / "hadolint", bad).returncode != 0


def test_the_image_is_built_of_what_is_there_by_a_user_without_rights() -> None:
    lines = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    copied = [name for names in copies for name in names]
    let_in = (DOCKERFILE.with_name("Dockerfile.dockerignore")).read_text(encoding="utf-8").splitlines()
    assert len(copied) == 7
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in let_in
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(set(bases)) == 1, "bytecode and wheels of the build stage fit the last one"
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return {line.split("==")[0]: line.split("# via")[0].strip() for line in text.splitlines() if "==" in line}


def test_the_image_runs_what_is_tested() -> None:
    image, here = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {"nats-py", "msgspec", "prometheus-client", "uvloop"} <= set(image)
    assert {"minijinja", "markdown-it-py"} <= set(image), "diagmesh check --html works in the image"
    assert all("--hash=sha256:" in pin for pin in image.values())
    assert {name: pin for name, pin in image.items() if here.get(name) != pin} == {}
    assert "pytest" not in image


# --- Compose


def test_the_compose_file_fits_its_schema(tmp_path: Path) -> None:
    check = (BESIDE / "check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    done = run(*check, COMPOSE)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text(encoding="utf-8").replace("mem_limit:", "memory_limit:"), encoding="utf-8")
    assert run(*check, wrong).returncode != 0


def test_compose_gives_our_programs_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    diag = services["orders-diag"]
    assert diag["pid"] == diag["network_mode"] == "service:orders"
    assert diag["user"] == services["orders"]["user"], "another user's processes are blind"
    sidecar = accepted(diag["command"], diag["environment"], monkeypatch)
    assert isinstance(sidecar, SidecarSettings)
    assert sidecar.targets[0].pid == 1
    assert sidecar.nats.url == "nats://nats:4222"
    coordinator = services["coordinator"]
    settings = accepted(coordinator["command"], coordinator["environment"], monkeypatch)
    assert isinstance(settings, CoordinatorSettings)
    assert settings.metrics == "0.0.0.0:9464"
    assert all(port.startswith("127.0.0.1:") for port in coordinator["ports"])
    second = services["coordinator-2"]
    other = accepted(second["command"], second["environment"], monkeypatch)
    assert isinstance(other, CoordinatorSettings)
    assert {settings.instance, other.instance} == {"c1", "c2"}
    assert fingerprint(settings) == fingerprint(other), "they judge alike"
    assert settings.coordinators == 2
    for service, given in ((diag, sidecar), (coordinator, settings), (second, other)):
        assert given.alive_file in service["healthcheck"]["test"][1]
        assert any(given.alive_file.startswith(mount.partition(":")[0]) for mount in service["tmpfs"])


def test_the_server_of_compose_takes_its_configuration(tmp_path: Path) -> None:
    given = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    nats = given["services"]["nats"]
    (config,) = nats["configs"]
    assert nats["command"] == [f"--config={config['target']}"]
    text = given["configs"][config["source"]]["content"]
    (volume,) = nats["volumes"]
    name, _, place = volume.partition(":")
    assert name in given["volumes"]
    assert f'store_dir: "{place}"' in text
    (tmp_path / "nats.conf").write_text(text.replace(place, str(tmp_path)), encoding="utf-8")
    done = run(find_nats_server(), "-t", "-c", tmp_path / "nats.conf")
    assert done.returncode == 0, done.stderr


def test_each_compose_command_of_the_page_has_the_variables_that_the_file_needs() -> None:
    page = (DEPLOY / "compose" / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    exported = next(line for line in block.splitlines() if line.startswith("export "))
    needed = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text(encoding="utf-8")))
    assert needed == {"ORDERS_IMAGE"}, "without them docker compose refuses every command, not only up"
    assert all(f"{name}=" in exported for name in needed)
    assert f"COMPOSE_FILE={COMPOSE.relative_to(ROOT)}" in exported
    assert block.index("docker compose") > block.index(exported)


# --- Kubernetes


def objects() -> list[dict[str, Any]]:
    return [one for file in MANIFESTS for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def containers(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Containers of our image: each with the pod that it is in."""
    pods = [one["spec"]["template"]["spec"] for one in objects() if one["kind"] == "Deployment"]
    return [(one, pod) for pod in pods for one in pod["containers"] if one["name"] == name]


def test_the_manifests_are_strictly_valid() -> None:
    assert len(objects()) == 5
    for one in objects():
        kubernetes_validate.validate(one, "1.37", strict=True)
    wrong = next(one for one in objects() if one["kind"] == "Deployment")
    wrong["spec"]["template"]["spec"]["shareProcessNamespaces"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", f"a-{one['name'].lower().replace('_', '-')}") for one in container["env"]}


def test_the_pod_gives_the_sidecar_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    ((sidecar, pod),) = containers("diag")
    settings = accepted(sidecar["args"], variables(sidecar), monkeypatch)
    assert isinstance(settings, SidecarSettings)
    (target,) = settings.targets
    assert (target.service, target.instance, target.port) == ("orders", "", 8080)
    assert target.labels == {"version": "a-app-version", "node": "a-node-name", "namespace": "a-pod-namespace"}
    assert pod["shareProcessNamespace"] is True
    assert "runAsUser" in pod["securityContext"]
    assert all("runAsUser" not in one["securityContext"] for one in pod["containers"])
    assert "readinessProbe" not in sidecar, "a sidecar must not take its service out of the load balancer"
    assert settings.alive_file in sidecar["livenessProbe"]["exec"]["command"][2]
    mounts = [one["mountPath"] for one in sidecar["volumeMounts"]]
    assert str(Path(settings.alive_file).parent) in mounts
    assert str(Path(settings.nats.nkey_file).parent) in mounts


def test_the_pod_gives_the_coordinator_what_it_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ((coordinator, pod),) = containers("coordinator")
    (config,) = (one for one in objects() if one["kind"] == "ConfigMap")
    (name,) = config["data"]
    (tmp_path / name).write_text(config["data"][name], encoding="utf-8")
    words = [str(tmp_path / name) if word.endswith(name) else word for word in coordinator["args"]]
    settings = accepted(words, variables(coordinator), monkeypatch)
    assert isinstance(settings, CoordinatorSettings)
    assert settings.replicas == {"orders": 3}
    (port,) = coordinator["ports"]
    assert settings.metrics == f"0.0.0.0:{port['containerPort']}"
    assert {coordinator[f"{probe}Probe"]["httpGet"]["path"] for probe in ("liveness", "readiness")} == {
        "/livez",
        "/readyz",
    }
    mounts = [one["mountPath"] for one in coordinator["volumeMounts"]]
    assert str(Path(settings.nats.nkey_file).parent) in mounts
    assert str(Path(coordinator["args"][2]).parent) in mounts
    assert not [one for one in mounts for other in mounts if one != other and one.startswith(f"{other}/")]
    assert pod["terminationGracePeriodSeconds"] > 10
    (spread,) = pod["topologySpreadConstraints"]
    (deployment,) = (
        one
        for one in objects()
        if one["metadata"]["name"] == "diagmesh-coordinator" and "replicas" in one.get("spec", {})
    )
    assert spread["topologyKey"] == "kubernetes.io/hostname", "one node is a single point of failure"
    assert spread["labelSelector"] == deployment["spec"]["selector"]


@pytest.mark.parametrize("container", [*containers("diag"), *containers("coordinator")])
def test_our_containers_are_bounded_and_have_no_rights(container: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ours, pod = container
    assert {"cpu", "memory"} <= set(ours["resources"]["limits"])
    context = {**pod["securityContext"], **ours["securityContext"]}
    assert context["runAsNonRoot"] is True
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False


def test_the_liveness_probe_tells_fresh_from_old(tmp_path: Path) -> None:
    ((sidecar, _),) = containers("diag")
    file = tmp_path / "alive"
    command = [word.replace("/run/diagmesh/alive", str(file)) for word in sidecar["livenessProbe"]["exec"]["command"]]
    assert run(*command).returncode != 0, "no file"
    file.touch()
    assert run(*command).returncode == 0
    os.utime(file, (1, 1))
    assert run(*command).returncode != 0, "an old file"


# --- systemd


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no systemd-analyze: install the Debian package systemd")
        pytest.skip("no systemd-analyze here (Debian: the package systemd)")
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_each_unit_is_verified_and_hardened(unit: Path, analyze: str, tmp_path: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    assert "ExecStart=/opt/diagmesh/bin/diagmesh " in text
    text = text.replace("/opt/diagmesh/bin/diagmesh", str(BESIDE / "diagmesh"))
    name = unit.name.replace("@.", "@orders.")
    (tmp_path / unit.name).write_text(text, encoding="utf-8")
    done = run(analyze, "verify", "--man=no", tmp_path / name)
    # It only warns of what it does not know; other units of the machine are no matter of ours.
    said = [line for line in (done.stdout + done.stderr).splitlines() if "diagmesh" in line]
    assert (done.returncode, said) == (0, [])
    done = run(analyze, "security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", tmp_path / unit.name)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    (tmp_path / unit.name).write_text(text.replace("MemoryMax=", "MemoryMaximum="), encoding="utf-8")
    done = run(analyze, "verify", "--man=no", tmp_path / name)
    assert "MemoryMaximum" in done.stdout + done.stderr


@pytest.mark.parametrize(("file", "kind"), [("coordinator.toml", "coordinator"), ("orders.toml", "sidecar")])
def test_the_settings_for_the_units_are_fine(file: str, kind: str, tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / file).read_text(encoding="utf-8")
    key = re.search(r'nkey_file = "(/run/credentials/.*)"', text)
    assert key
    unit, credential = key[1].split("/")[3:]
    template = re.sub(r"@\w+", "@", unit)
    assert f"LoadCredential={credential}:" in (DEPLOY / "systemd" / template).read_text(encoding="utf-8")
    seed = tmp_path / "seed"
    keys.write_seed(seed, keys.generate())
    (tmp_path / file).write_text(text.replace(key[1], str(seed)), encoding="utf-8")
    checked = check_file(tmp_path / file)
    assert (checked.kind, checked.warnings) == (kind, ())


def last_word(systemd: socket.socket) -> bytes:
    """What comes instead of another beat."""
    while (said := systemd.recv(100)) == b"WATCHDOG=1":
        pass
    return said


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_what_a_unit_starts_tells_systemd_that_it_is_ready_and_ends_well(
    unit: Path, make_server: MakeServer, tmp_path: Path
) -> None:
    issued, etc, credentials = tmp_path / "mesh", tmp_path / "etc", tmp_path / "credentials"
    etc.mkdir()
    credentials.mkdir(mode=0o700)
    assert cli(["init", str(issued), "--services", "orders"]) == 0
    config = f"server_name: test\n{(issued / 'nats-server.conf').read_text(encoding='utf-8')}"
    url = make_server(config=config).start().url
    text = unit.read_text(encoding="utf-8").replace("%i", "orders")
    role, setting = ("coordinator",) * 2 if "coordinator" in unit.name else ("agent-orders", "orders")
    for credential in re.findall(r"^LoadCredential=(\S+?):", text, re.MULTILINE):
        (credentials / credential).touch(mode=0o600)
        (credentials / credential).write_bytes((issued / "keys" / f"{role}.nk").read_bytes())
    settings = (DEPLOY / "systemd" / f"{setting}.toml").read_text(encoding="utf-8")
    settings = re.sub(r"/run/credentials/[^/]+", str(credentials), settings).replace("nats://127.0.0.1:4222", url)
    (etc / f"{setting}.toml").write_text(settings.replace('"9464"', '"0"'), encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=(.*)", text, re.MULTILINE)
    command = start.replace("/opt/diagmesh/bin", str(BESIDE)).replace("/etc/diagmesh", str(etc)).split()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        # The pool is left last: its thread ends with what the program says at its end.
        with ThreadPoolExecutor(1) as pool, Program(command, tmp_path, environment) as program:
            assert systemd.recv(100) == b"READY=1"
            assert systemd.recv(100) == b"WATCHDOG=1"
            last = pool.submit(last_word, systemd)  # all the time, as systemd reads: ten unread ones fill the queue
            wait_until(lambda: ": connected" in program.log_text(), 30, "a connection in its role")
            assert "not permitted" not in program.log_text()
            assert "others may read" not in program.log_text()
            assert program.stop() == 0
            assert last.result(35) == b"STOPPING=1"
        (etc / f"{setting}.toml").write_text(f"nonsense = 1\n{settings}", encoding="utf-8")
        wrong = run(*command)
        assert f"RestartPreventExitStatus={wrong.returncode}" in text, wrong.stderr


def test_no_file_of_deploy_is_forgotten() -> None:
    for folder in ("docker", "compose", "kubernetes", "systemd", "prometheus", "grafana"):
        page = (DEPLOY / folder / "README.md").read_text(encoding="utf-8")
        for file in (DEPLOY / folder).iterdir():
            assert file.name == "README.md" or file.name in page, f"deploy/{folder}/README.md is silent on {file.name}"
