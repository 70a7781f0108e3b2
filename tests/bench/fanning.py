"""Fan-out to simulated instances: our gather, a bare nats-py gather, natsext, Go; and the whole coordinator on top."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from bench.lab import Lab, cpu_s
from bench.pace import Pace
from bench.report import Row
from bench.turns import Seen, Values, in_turn, row
from bench.wire import SERVICE, Load, Rounds
from diagmesh.contract.subjects import ask_all, ask_mesh

__all__ = ["GO", "fan_out", "gatherers", "rows_of"]

_PART = "fan-out"
_CONNECTIONS = 5
_SETTLE_S = 0.5
_BARE, _OURS, _NATSEXT, _MESH, GO = "bare nats-py", "our gather", "natsext", "diag.mesh.health", "Go nats.go, jsoniter"


def fan_out(lab: Lab, pace: Pace) -> list[Row]:
    """Every gatherer over every crowd, in turn."""
    rows: list[Row] = []
    for count, rounds in pace.rounds.items():
        with ExitStack() as stack:
            coordinator = _coordinator(lab, stack)
            crowd = ["python", "-m", "bench.crowd", lab.url, str(count), str(_CONNECTIONS)]
            lab.heard(stack.enter_context(lab.talking(crowd)), "ready")
            time.sleep(_SETTLE_S)  # the coordinator takes in the heartbeats
            contestants = gatherers(lab, count, rounds)
            contestants[_MESH] = partial(_ask_the_mesh, lab, coordinator, count, pace.mesh_s)
            rows += rows_of(_PART, count, in_turn(pace.turns, contestants))
    return rows + ([] if lab.go else [Row(part=_PART, case="all", who=GO, note=lab.no_go)])


def gatherers(lab: Lab, count: int, rounds: int) -> dict[str, Callable[[], Values]]:
    """Those that ask by themselves; each round of theirs ends with the last reply."""
    numbers = [str(count), str(rounds)]
    ours = {_BARE: "bare", _OURS: "ours", _NATSEXT: "natsext"}
    found: dict[str, Callable[[], Values]] = {
        who: partial(_gather, lab, ["python", "-m", "bench.gatherers", verb, lab.url, *numbers])
        for who, verb in ours.items()
    }
    if lab.go is not None:
        command = [str(lab.go), "gather", lab.url, ask_all(SERVICE, "health"), *numbers, "jsoniter"]
        found[GO] = partial(_gather, lab, command)
    return found


def rows_of(part: str, count: int, seen: Seen[str]) -> list[Row]:
    """One line for each, beside bare nats-py and Go."""
    peers = {"p50/bare": ("p50 ms", seen[_BARE]), "p50/Go": ("p50 ms", seen.get(GO, []))}
    return [row(part, f"N={count}", who, many, peers) for who, many in seen.items()]


def _gather(lab: Lab, command: list[str]) -> Values:
    outcome = lab.tell(Rounds, command)
    return {"CPU us": outcome.cpu_us_per_reply, "p50 ms": outcome.p50_ms, "p99 ms": outcome.p99_ms}


def _coordinator(lab: Lab, stack: ExitStack) -> int:
    """A coordinator without anybody to know yet; returns its process id."""
    program = stack.enter_context(lab.start(["python", "-m", "diagmesh_coordinator", "--nats", lab.url]))
    lab.await_answer(ask_mesh("services"))
    return program.pid


def _ask_the_mesh(lab: Lab, coordinator: int, count: int, mesh_s: float) -> Values:
    """One question after the other; CPU is that of the coordinator."""
    with lab.talking(["python", "-m", "bench.load", lab.url, ask_mesh("health"), "1", str(mesh_s)]) as load:
        lab.heard(load, "counting")
        before = cpu_s(coordinator)
        lab.heard(load, "counted")
        used_s = cpu_s(coordinator) - before
        outcome = lab.outcome(Load, load)
    if outcome.refused:
        raise RuntimeError(f"{outcome.refused} of {outcome.requests} questions to the mesh were refused")
    return {
        "CPU us": 1e6 * used_s / (outcome.requests * count),
        "p50 ms": outcome.p50_us / 1e3,
        "p99 ms": outcome.p99_us / 1e3,
    }
