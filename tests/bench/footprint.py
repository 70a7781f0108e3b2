"""What a process of ours costs while nobody asks, and how soon it answers; and how long the commands take."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.lab import Lab, cpu_s, memory_mib
from bench.pace import Pace
from bench.report import Row
from bench.turns import Values, in_turn, medians, row
from bench.wire import SERVICE
from diagmesh.contract.subjects import ask_mesh, ask_one

__all__ = ["commands", "idle_percent", "processes"]

_BARE, _GO = "bare nats-py", "Go nats.go"
_PYTHON = "python -c pass"
Contestant = tuple[Sequence[str | Path], tuple[str, ...]]


def processes(lab: Lab, pace: Pace) -> list[Row]:
    """A sidecar with all agents and a coordinator, beside bare responders; all answered once before they rest."""
    simulated = (ask_one(SERVICE, "health"),)
    contestants: dict[str, Contestant] = {
        _BARE: (["python", "-m", "bench.responders", "bare", lab.url], simulated),
        "sidecar": (lab.sidecar(), (ask_one("watched", "health"), ask_one("watched", "resources"))),
        "coordinator": (["python", "-m", "diagmesh_coordinator", "--nats", lab.url], (ask_mesh("services"),)),
    }
    if lab.go is not None:
        contestants[_GO] = ([lab.go, "respond", lab.url, simulated[0]], simulated)
    starts = in_turn(pace.starts, {who: partial(_start, lab, *one) for who, one in contestants.items()})
    rests = {who: _rest(lab, *one, pace) for who, one in contestants.items()}
    seen = {who: [{**one, **rests[who]} for one in starts[who]] for who in contestants}
    peers = {"RSS/bare": ("RSS MiB", seen[_BARE])}
    rows = [row("footprint", "process", who, many, peers) for who, many in seen.items()]
    return rows + ([] if lab.go else [Row(part="footprint", case="process", who=_GO, note=lab.no_go)])


def _start(lab: Lab, command: Sequence[str | Path], subjects: tuple[str, ...]) -> Values:
    started = time.perf_counter()
    with lab.start(command) as program:
        lab.await_answer(subjects[0])
        return {"start ms": 1e3 * (time.perf_counter() - started), "CPU ms": 1e3 * cpu_s(program.pid)}


def _rest(lab: Lab, command: Sequence[str | Path], subjects: tuple[str, ...], pace: Pace) -> Values:
    with lab.start(command) as program:
        for subject in subjects:
            lab.await_answer(subject)
        return {**memory_mib(program.pid), "idle %": idle_percent([program.pid], pace)}


def idle_percent(pids: Sequence[int], pace: Pace) -> float:
    """CPU of these processes together while nobody asks, in percent of one core."""
    time.sleep(pace.settle_s)
    before, since = sum(map(cpu_s, pids)), time.perf_counter()
    time.sleep(pace.idle_s)
    return 100 * (sum(map(cpu_s, pids)) - before) / (time.perf_counter() - since)


def commands(lab: Lab, pace: Pace) -> list[Row]:
    """Whole processes: bare Python, our help, a simple question."""
    diagmesh = Path(sys.executable).with_name("diagmesh")
    contestants: dict[str, list[str | Path]] = {
        _PYTHON: [sys.executable, "-c", "pass"],
        "diagmesh --help": [diagmesh, "--help"],
        "diagmesh ask": [diagmesh, "ask", "health", "watched", "--nats", lab.url],
    }
    quick = ["--heartbeat", "0.3"]  # so that the coordinator soon knows who is there
    coordinator = ["python", "-m", "diagmesh_coordinator", "--nats", lab.url, *quick]
    with lab.start(lab.sidecar(*quick)), lab.start(coordinator):
        lab.await_answer(ask_one("watched", "health"))
        lab.await_answer(ask_mesh("services"))
        time.sleep(1.0)
        whole: dict[str, Callable[[], Values]] = {who: partial(_whole, command) for who, command in contestants.items()}
        seen = in_turn(pace.starts, whole)
    over = medians(seen[_PYTHON])["whole ms"]
    rows = [row("commands", "command", who, many, {}) for who, many in seen.items()]
    return [*rows, Row(part="commands", case="command", who="all", note=f"Python itself is {over:.0f} ms of each")]


def _whole(command: list[str | Path]) -> Values:
    started, before_s = time.perf_counter(), _children_s()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    took_s = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{command!r} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return {"whole ms": 1e3 * took_s, "CPU ms": 1e3 * (_children_s() - before_s)}


def _children_s() -> float:
    """CPU time of all processes of ours that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
