"""`diagmesh up` with the Go demo: used where it can be built, else the reason is told; it ends like everything else."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from support.godemo import build
from support.golang import Go
from support.programs import wait_until
from support.upping import Up, diagmesh

WAIT_S: Final = 30.0
SERVICES: Final = ("orders --", "payments --", "inventory --", "load --")


@pytest.fixture
def programs(go: Go) -> Path:
    """Built before, so that nobody here waits for a compiler."""
    return build(go)


@pytest.fixture
def make_up(tmp_path: Path) -> Iterator[Any]:
    """Makes one; what it left behind is an error."""
    made: list[Up] = []

    def make(*flags: str, path: Path | None = None) -> Up:
        made.append(Up(tmp_path, *flags))
        if path is not None:
            made[-1].environment["PATH"] = str(path)
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


def test_where_go_is_its_demo_runs_and_ends_with_ctrl_c(programs: Path, make_up: Any) -> None:
    up = make_up("--demo", "auto").ready()
    assert "demo: Go services of deploy/demo, built with go1." in up.said()
    assert "start with --allow-faults" in up.said()
    wait_until(lambda: "5 of 5 instances answered · 5 up" in diagmesh(up, "status").stdout, WAIT_S, "all are up")
    running = up.processes(str(programs))
    assert len(running) == 5, "orders twice, payments, inventory, load"
    assert all(any(str(programs / name) in words for words in running.values()) for name in SERVICES)
    assert not any("--allow-faults" in words for words in running.values())
    seen = json.loads(diagmesh(up, "ask", "resources", "inventory/i1", "--json").stdout)
    assert seen["answer"]["process"]["pid"] in up.processes("inventory --")
    stacks = json.loads(diagmesh(up, "ask", "goroutines", "payments/i1", "--json").stdout)["answer"]
    assert stacks["total"] == sum(group["count"] for group in stacks["groups"]) + stacks.get("goroutines_left_out", 0)
    assert "started by" in diagmesh(up, "ask", "goroutines", "payments/i1").stdout
    every = json.loads(diagmesh(up, "ask", "goroutines", "--json").stdout)["answer"]
    assert every["fields"]["total"]["n"] == 4, "the server has no such pages"
    up.send(signal.SIGINT)
    assert up.ended() == 130
    assert up.leftovers() == []
    assert not any(Path("/proc", str(pid)).exists() for pid in running)


def test_its_faults_are_closed_unless_they_are_allowed(programs: Path, make_up: Any, nats_cli: Path) -> None:
    up = make_up("--demo", "go", "--allow-faults").ready()
    words = up.tries[3]
    assert words[-2:] == ["demo.payments.fault", '{"fault":"hold-lock"}']
    assert '"active":[{"fault":"hold-lock"' in nats(nats_cli, up, words[1:])
    wait_until(lambda: "4 up · 1 degraded" in diagmesh(up, "status").stdout, WAIT_S, "payments is degraded")
    nats(nats_cli, up, [*words[1:-1], '{"fault":"hold-lock","on":false}'])
    wait_until(lambda: "5 up" in diagmesh(up, "status").stdout, WAIT_S, "all well again")


def test_sigkill_ends_the_go_processes_too(programs: Path, make_up: Any) -> None:
    up = make_up("--demo", "go").ready()
    assert len(up.processes(str(programs))) == 5
    up.send(signal.SIGKILL)
    assert up.ended() == -signal.SIGKILL
    wait_until(lambda: not up.leftovers(), WAIT_S, "nothing is left")


def test_without_go_the_stand_ins_run_and_the_reason_is_told(
    make_up: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = make_up("--demo", "auto", path=broken_go(tmp_path, "exit 3")).ready()
    assert "\ndemo: Python stand-ins, not the Go services: `go version` failed: no space\n" in up.said()
    wait_until(lambda: "4 of 4 instances answered" in diagmesh(up, "status").stdout, WAIT_S, "the stand-ins are there")


def test_whoever_wants_go_is_told_why_there_is_none(make_up: Any, tmp_path: Path) -> None:
    up = make_up("--demo", "go", path=broken_go(tmp_path, "exit 3")).start()
    assert up.ended() == 3
    assert "`go version` failed: no space" in up.said()
    assert up.leftovers() == []


def test_a_signal_while_it_builds_leaves_nothing(make_up: Any, tmp_path: Path) -> None:
    up = make_up("--demo", "go", path=broken_go(tmp_path, "echo go version go1.99.0; [ $1 = version ] || sleep 300"))
    up.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    up.start()
    wait_until(lambda: "building the Go demo with go1.99.0" in up.said(), WAIT_S, "it builds")
    wait_until((tmp_path / "cache/diagmesh/go").is_dir, WAIT_S, "it has begun to")
    up.send(signal.SIGINT)
    assert up.ended() == 130
    assert up.leftovers() == []
    kept = [path.name for path in (tmp_path / "cache/diagmesh/go").iterdir()]
    assert all(name.endswith(".lock") for name in kept), kept


def nats(nats_cli: Path, up: Up, words: list[str]) -> str:
    command: list[str | Path] = [nats_cli, *words]
    done = subprocess.run(command, env=up.environment, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def broken_go(directory: Path, does: str) -> Path:
    """A folder with a toolchain that does this, and the few programs that one needs."""
    folder = directory / "bin"
    folder.mkdir()
    for name in ("sh", "sleep"):
        (folder / name).symlink_to(shutil.which(name) or name)
    script = folder / "go"
    script.write_text(f"#!/bin/sh\nexec 2>&1\n{'echo no space' if 'exit 3' in does else ':'}\n{does}\n")
    script.chmod(0o755)
    return folder
