"""What a process of ours costs while nobody asks, and how soon it answers; and how long the commands take."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.lab import Lab, cpu_s, medians, memory_mib
from bench.report import Row
from bench.wire import SERVICE
from diagmesh.contract.subjects import ask_mesh, ask_one

__all__ = ["commands", "processes"]

_STARTS = 4
_IDLE_S = 4.0
_SETTLE_S = 1.0


def processes(lab: Lab) -> list[Row]:
    """A sidecar with all agents and a coordinator, beside bare responders."""
    simulated = ask_one(SERVICE, "health")
    watched = ["--service", "watched", "--instance", "w1", "--port", lab.url.rpartition(":")[2]]
    contestants: dict[str, tuple[Sequence[str | Path], str]] = {
        "bare nats-py": (["python", "-m", "bench.responders", "bare", lab.url], simulated),
        "sidecar": (["python", "-m", "diagmesh_agents", "--nats", lab.url, *watched], ask_one("watched", "health")),
        "coordinator": (["python", "-m", "diagmesh_coordinator", "--nats", lab.url], ask_mesh("services")),
    }
    if lab.go is not None:
        contestants["Go nats.go"] = ([lab.go, "respond", lab.url, simulated], simulated)
    starts: dict[str, list[dict[str, float]]] = {}
    for _ in range(_STARTS):
        for who, (command, subject) in contestants.items():
            starts.setdefault(who, []).append(_start(lab, command, subject))
    idle = {who: _idle(lab, command, subject) for who, (command, subject) in contestants.items()}
    base = medians(starts["bare nats-py"]) | idle["bare nats-py"]
    rows = []
    for who in contestants:
        values = medians(starts[who]) | idle[who]
        ratios = {f"{name} to bare": values[name] / base[name] for name in ("start ms", "RSS MiB")}
        rows.append(Row(part="footprint", case="process", who=who, values=values, ratios=ratios))
    return rows + ([] if lab.go else [Row(part="footprint", case="process", who="Go nats.go", note=lab.no_go)])


def _start(lab: Lab, command: Sequence[str | Path], subject: str) -> dict[str, float]:
    started = time.perf_counter()
    with lab.start(command):
        lab.await_answer(subject)
        return {"start ms": 1e3 * (time.perf_counter() - started)}


def _idle(lab: Lab, command: Sequence[str | Path], subject: str) -> dict[str, float]:
    with lab.start(command) as program:
        lab.await_answer(subject)
        time.sleep(_SETTLE_S)
        before, since = cpu_s(program.pid), time.perf_counter()
        time.sleep(_IDLE_S)
        share = (cpu_s(program.pid) - before) / (time.perf_counter() - since)
        return {**memory_mib(program.pid), "idle CPU %": 100 * share}


def commands(lab: Lab) -> list[Row]:
    """Whole processes: bare Python, our help, a simple question."""
    diagmesh = Path(sys.executable).with_name("diagmesh")
    watched = ["--service", "watched", "--instance", "w1", "--port", lab.url.rpartition(":")[2]]
    contestants: dict[str, list[str | Path]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "diagmesh --help": [diagmesh, "--help"],
        "diagmesh ask health watched": [diagmesh, "ask", "health", "watched", "--nats", lab.url],
    }
    took: dict[str, list[dict[str, float]]] = {}
    quick = ["--nats", lab.url, "--heartbeat", "0.3"]  # so that the coordinator soon knows who is there
    sidecar: list[str | Path] = ["python", "-m", "diagmesh_agents", *quick, *watched]
    with lab.start(sidecar), lab.start(["python", "-m", "diagmesh_coordinator", *quick]):
        lab.await_answer(ask_one("watched", "health"))
        lab.await_answer(ask_mesh("services"))
        time.sleep(_SETTLE_S)
        for _ in range(_STARTS):
            for who, command in contestants.items():
                started = time.perf_counter()
                done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
                took.setdefault(who, []).append({"whole ms": 1e3 * (time.perf_counter() - started)})
                if done.returncode:
                    raise RuntimeError(f"{who} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return [Row(part="commands", case="command", who=who, values=medians(values)) for who, values in took.items()]
