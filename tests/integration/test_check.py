"""A real mesh is judged: a stopped process is found by the coordinator, by its own sidecar and by the command line."""

import asyncio
import html
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from diagmesh.client import Mesh
from diagmesh.contract.answers.health import Health
from diagmesh.contract.verdicts import Check, CheckQuestion, Verdict
from diagmesh.contract.wire import Reply
from diagmesh_cli.commands.schema import wire_schemas
from support.programs import wait_until
from support.smallmesh import SmallMesh

STOPPED: Final = "PROC-002"
WAIT_S: Final = 20.0


@contextmanager
def made(directory: Path) -> Iterator[SmallMesh]:
    with SmallMesh(directory) as small:
        for service, instance in (("orders", "i1"), ("payments", "p1")):
            small.sidecar(service, instance)
        small.coordinator()
        words = ("check", "--code", STOPPED)
        wait_until(lambda: diagmesh(small, *words).returncode == 0, WAIT_S, "everybody is known and well")
        yield small


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    """Use `small`."""
    with made(tmp_path_factory.mktemp("mesh")) as small:
        yield small


@pytest.fixture
def small(shared: SmallMesh) -> Iterator[SmallMesh]:
    """For tests that freeze at most, and thaw."""
    yield shared
    for one in shared.watched.values():
        one.thaw()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SmallMesh]:
    """For one that kills."""
    with made(tmp_path) as small:
        yield small


async def checked(mesh: Mesh, *codes: str) -> Check:
    return (await mesh.one(Check, "mesh", CheckQuestion(codes=codes), timeout_s=10)).answer


def instances(check: Check, code: str) -> tuple[str, ...]:
    return tuple(name for one in check.findings if one.code == code for name in one.instances)


async def until(mesh: Mesh, holds: Callable[[Check, Reply], bool]) -> tuple[Check, Reply]:
    deadline = time.monotonic() + WAIT_S
    while True:
        check, reply = await checked(mesh, STOPPED), (await mesh.one(Health, "orders", timeout_s=10)).reply
        if holds(check, reply):
            return check, reply
        assert time.monotonic() < deadline, (check, reply)
        await asyncio.sleep(0.1)


def diagmesh(small: SmallMesh, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("NATS_", "DIAGMESH_"))}
    command = [sys.executable, "-m", "diagmesh_cli", *words, "--nats", small.url, "--timeout", "10"]
    return subprocess.run(
        command, env={**clean, "COLUMNS": "80"}, capture_output=True, text=True, timeout=60, check=False
    )


async def test_a_stopped_process_is_found_by_mesh_and_sidecar_and_clear_when_it_runs_on(small: SmallMesh) -> None:
    async with Mesh.connect(url=small.url) as mesh:
        # Clear is also said where only one could be judged.
        both = ("orders/i1", "payments/p1")
        check, reply = await until(
            mesh, lambda check, reply: check.verdicts[0].judged == both and not check.findings and not reply.findings
        )
        assert check.verdicts[0].verdict is Verdict.CLEAR
        assert reply.findings == ()
        small.watched["orders/i1"].freeze()
        check, reply = await until(mesh, lambda check, reply: bool(check.findings and reply.findings))
        assert instances(check, STOPPED) == ("orders/i1",)
        assert [one.code for one in reply.findings] == [STOPPED]
        assert reply.findings[0].advice.now
        total = (await mesh.mesh(Health, timeout_s=10)).answer
        assert [(one.code, one.instances) for one in total.findings] == [(STOPPED, ("orders/i1",))]
        small.watched["orders/i1"].thaw()
        check, reply = await until(mesh, lambda check, reply: not check.findings and not reply.findings)
        assert check.verdicts[0].verdict is Verdict.CLEAR


def test_the_command_line_is_a_gate(own: SmallMesh, tmp_path: Path) -> None:
    own.watched["orders/i1"].freeze()
    report = tmp_path / "junit.xml"
    shown = diagmesh(own, "check", "--code", STOPPED, "--junit", str(report))
    assert (shown.returncode, shown.stderr) == (1, "")
    assert f"critical {STOPPED}" in shown.stdout
    assert "at orders/i1" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    (case,) = ET.parse(report).getroot().iter("testcase")  # noqa: S314  our own file
    assert [part.tag for part in case] == ["failure"]
    assert diagmesh(own, "check", "payments", "--code", STOPPED).returncode == 0
    done = diagmesh(own, "check", "--code", STOPPED, "--json")
    reply: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(wire_schemas()["mesh.check.reply"]).validate(reply)
    assert [one["verdict"] for one in reply["answer"]["verdicts"]] == ["found"]
    own.watched["orders/i1"].thaw()
    own.sidecars["orders/i1"].kill()
    gone = diagmesh(own, "check", "--code", STOPPED)
    assert gone.returncode == 2, "who was not seen was not judged"
    assert "silent orders/i1 not connected" in " ".join(gone.stdout.split())
    wrong = diagmesh(own, "check", "--code", "RES-999")
    assert wrong.returncode == 2
    assert "there is no rule" in wrong.stdout


def test_a_report_is_left_beside_everything_else(small: SmallMesh, tmp_path: Path) -> None:
    report, junit = tmp_path / "report.html", tmp_path / "junit.xml"
    words = ("check", "--code", STOPPED, "--html", str(report))
    assert diagmesh(small, *words).returncode == 0
    assert "<h1>all clear</h1>" in report.read_text()
    small.watched["orders/i1"].freeze()
    done = diagmesh(small, *words, "--json", "--junit", str(junit))
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["answer"]["findings"]
    assert junit.is_file()
    shown = html.unescape(report.read_text())
    for there in ("<h1>1 finding</h1>", "<li>orders/i1</li>", f'href="#page-{STOPPED}"', f'id="page-{STOPPED}"'):
        assert there in shown
    assert f"<dd>{small.url}</dd>" in shown
    assert "<dd>coordinator c1</dd>" in shown
    assert diagmesh(small, *words, "--direct").returncode == 1
    assert "this command (--direct)" in report.read_text()
    kept = report.read_bytes()
    wrong = diagmesh(small, "check", "--html", str(tmp_path / "nowhere" / "report.html"))
    assert wrong.returncode == 64
    assert "--html" in wrong.stderr
    assert "No such file or directory" in wrong.stderr
    assert report.read_bytes() == kept
    small.watched["orders/i1"].thaw()


def test_without_a_coordinator_it_is_judged_here(tmp_path: Path) -> None:
    with SmallMesh(tmp_path) as small:
        small.sidecar("orders", "i1")
        small.sidecar("payments", "p1")
        words = ("check", "--direct", "--code", STOPPED)
        nobody = diagmesh(small, "check", "--code", STOPPED)
        assert nobody.returncode == 3
        assert "nobody listens on diag.mesh.check" in nobody.stderr
        well = diagmesh(small, *words)
        assert (well.returncode, well.stderr) == (0, "")
        assert "0 findings · 2 instances · 1 rule · judged here" in well.stdout
        assert "no coordinator answered" in well.stdout
        small.watched["orders/i1"].freeze()
        found = diagmesh(small, *words, "--json")
        assert found.returncode == 1
        reply: dict[str, Any] = json.loads(found.stdout)
        Draft202012Validator(wire_schemas()["mesh.check.reply"]).validate(reply)
        assert [one["instances"] for one in reply["answer"]["findings"]] == [["orders/i1"]]
        small.watched["orders/i1"].thaw()
        assert diagmesh(small, *words, "--code", "RES-999").returncode == 64
        small.coordinator()
        told = diagmesh(small, *words)
        assert told.returncode == 0, "with its directory it is known who should answer"
        assert "no coordinator answered" not in told.stdout
