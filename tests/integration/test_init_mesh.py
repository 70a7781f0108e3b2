"""A new user's way: `init`, the server, a sidecar and a coordinator with what it wrote, and people who ask and act."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import pytest

from diagmesh_cli.local.permissions import LAYOUTS, Layout
from diagmesh_cli.main import run
from support.natsserver import NatsServer
from support.programs import Program, wait_until

WAIT_S: Final = 30.0


class Walk(NamedTuple):
    """The directory that `init` made, and the server that runs with it."""

    directory: Path
    layout: Layout
    url: str

    def as_person(self, person: str, patch: pytest.MonkeyPatch) -> None:
        """Have the environment of somebody who has sourced the settings of a role."""
        for name in [name for name in os.environ if name.startswith("DIAGMESH_")]:
            patch.delenv(name)
        for line in (self.directory / "settings" / f"{person}.env").read_text(encoding="utf-8").splitlines():
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                patch.setenv(name, *shlex.split(value))


@pytest.fixture(scope="module", params=LAYOUTS)
def walk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    layout: Layout = request.param
    home = tmp_path_factory.mktemp(layout)
    server = NatsServer(tmp_path_factory.mktemp("server"), jetstream=True)
    directory = home / "mesh"
    asked = ["--services", "walked,payments", "--layout", layout, "--nats", server.url]
    assert run(["init", str(directory), *asked]) == 0
    server.configure((directory / "nats-server.conf").read_text(encoding="utf-8"))
    settings = directory / "settings"
    door = orjson.loads((directory / "issued.json").read_bytes())["keys"]["operator"][0]
    sidecar = settings / "sidecar-walked.toml"
    opened = f'operators = ["{door}"]\ncontrol = ["log-level"]\nheartbeat_s = 0.5\n'
    sidecar.write_text(opened + sidecar.read_text(encoding="utf-8"), encoding="utf-8")
    coordinator: list[str | Path] = ["python", "-m", "diagmesh_coordinator"]
    coordinator += ["--config", settings / "coordinator.toml"]
    with (
        server,
        Program([*coordinator, "--instance", "c1", "--heartbeat", "0.5"], home) as asking,
        Program(["python", "-m", "diagmesh_agents", "--config", sidecar], home) as answering,
    ):
        for program in (asking, answering):
            wait_until(lambda one=program: ": connected" in one.log_text(), WAIT_S, "a connection")  # type: ignore[misc]
        yield Walk(directory, layout, server.url)
        for program in (asking, answering):
            assert program.running
            for word in ("not permitted", "refused", "others may read", "Traceback"):
                assert word not in program.log_text().replace("connection refused", ""), program.log_text()


def test_a_reader_sees_who_is_there_and_may_not_act(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk.as_person("reader", monkeypatch)

    def live() -> list[str]:
        run(["services", "--json", "--timeout", "10"])
        told = orjson.loads(capsys.readouterr().out)["answer"]["services"]
        return [one["service"] for one in told if any(each["state"] == "live" for each in one["instances"])]

    wait_until(lambda: live() == ["walked"], WAIT_S, "the directory of the coordinator")
    assert run(["ask", "health", "walked", "--timeout", "10"]) in (1, 2)
    assert "no process runs walked" in capsys.readouterr().out
    assert run(["control", "log-level", "walked", "debug", "--timeout", "10"]) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "not permitted: this role may not publish diagctl.walked.log-level." in said
    assert "(role reader, by its key file)" in said
    assert run(["forget", "walked", "--timeout", "10"]) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "c1: 403 not permitted: this role may not publish diagctl.mesh.forget." in said


def test_an_operator_acts_with_a_signature(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk.as_person("operator", monkeypatch)
    assert run(["control", "log-level", "walked", "debug", "--for", "1", "--timeout", "10"]) == 0
    assert "its sidecar logs at debug for 1 s" in " ".join(capsys.readouterr().out.split())
    assert run(["forget", "payments", "--timeout", "10"]) == 3
    assert "coordinator c1: nobody to forget: it expects no payments" in capsys.readouterr().out
    assert run(["control", "log-level", "mesh", "debug", "--timeout", "10"]) == 2
    assert "log-level is not allowed here" in capsys.readouterr().out


def test_the_application_asks_what_is_offered_and_the_observer_asks_nothing(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk.as_person("reader", monkeypatch)
    keys = walk.directory / "keys"
    assert run(["check", "--timeout", "10", "--nkey-file", str(keys / "app.nk")]) in (1, 2)
    assert "PROC-001" in capsys.readouterr().out
    observer = ["--nkey-file", str(keys / "observer.nk"), "--inbox-prefix", "_INBOX_observer"]
    assert run(["status", "--timeout", "10", *observer]) == 2
    assert "may not publish diag.mesh." in capsys.readouterr().err
    assert run(["status", "--timeout", "10", "--nkey-file", str(keys / "operator.nk"), "--inbox-prefix", "_INBOX"]) == 2
    assert "each role has an inbox of its own" in capsys.readouterr().err
