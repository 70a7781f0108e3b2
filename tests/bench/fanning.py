"""Fan-out to simulated instances: our gather, a bare nats-py gather, Go; and the whole coordinator on top."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.lab import Lab, cpu_s, medians
from bench.report import Row
from bench.wire import SERVICE, Load, Rounds
from diagmesh.contract.subjects import ask_all, ask_mesh

__all__ = ["fan_out"]

_PART = "fan-out"
_ROUNDS = {10: 200, 100: 100, 1000: 40}
_REPETITIONS = 3
_MESH_S = 1.5
_SETTLE_S = 0.5
_BARE, _OURS, _MESH, _GO = "bare nats-py", "our gather", "diag.mesh.health", "Go nats.go"


def fan_out(lab: Lab) -> list[Row]:
    """Every gatherer over every crowd, in turn."""
    rows: list[Row] = []
    for count, rounds in _ROUNDS.items():
        with ExitStack() as stack:
            coordinator = _coordinator(lab, stack)
            lab.heard(stack.enter_context(lab.talking(["python", "-m", "bench.crowd", lab.url, str(count)])), "ready")
            time.sleep(_SETTLE_S)  # the coordinator takes in the heartbeats
            seen: dict[str, list[dict[str, float]]] = {}
            for _ in range(_REPETITIONS):
                for who, command in _contestants(lab, count, rounds).items():
                    seen.setdefault(who, []).append(_values(lab.tell(Rounds, command)))
                seen.setdefault(_MESH, []).append(_ask_the_mesh(lab, coordinator, count))
        rows += [_row(who, count, seen) for who in seen]
    return rows + ([] if lab.go else [Row(part=_PART, case="all", who=_GO, note=lab.no_go)])


def _values(outcome: Rounds) -> dict[str, float]:
    return {"p50 ms": outcome.p50_ms, "p99 ms": outcome.p99_ms, "CPU us/reply": outcome.cpu_us_per_reply}


def _contestants(lab: Lab, count: int, rounds: int) -> dict[str, Sequence[str | Path]]:
    numbers = [str(count), str(rounds)]
    peers: dict[str, Sequence[str | Path]] = {
        _BARE: ["python", "-m", "bench.gatherers", "bare", lab.url, *numbers],
        _OURS: ["python", "-m", "bench.gatherers", "ours", lab.url, *numbers],
    }
    if lab.go is not None:
        for decoder in ("std", "jsoniter"):
            peers[f"{_GO}, {decoder}"] = [lab.go, "gather", lab.url, ask_all(SERVICE, "health"), *numbers, decoder]
    return peers


def _coordinator(lab: Lab, stack: ExitStack) -> int:
    """A coordinator without anybody to know yet; returns its process id."""
    program = stack.enter_context(lab.start(["python", "-m", "diagmesh_coordinator", "--nats", lab.url]))
    lab.await_answer(ask_mesh("services"))
    return program.pid


def _ask_the_mesh(lab: Lab, coordinator: int, count: int) -> dict[str, float]:
    """One question after the other; CPU is that of the coordinator."""
    with lab.talking(["python", "-m", "bench.load", lab.url, ask_mesh("health"), "1", str(_MESH_S)]) as load:
        lab.heard(load, "counting")
        before = cpu_s(coordinator)
        lab.heard(load, "counted")
        used_s = cpu_s(coordinator) - before
        outcome = lab.outcome(Load, load)
    if outcome.refused:
        raise RuntimeError(f"{outcome.refused} of {outcome.requests} questions to the mesh were refused")
    return {
        "p50 ms": outcome.p50_us / 1e3,
        "p99 ms": outcome.p99_us / 1e3,
        "CPU us/reply": 1e6 * used_s / (outcome.requests * count),
    }


def _row(who: str, count: int, seen: dict[str, list[dict[str, float]]]) -> Row:
    values = medians(seen[who])
    ratios = {"p50 to bare": values["p50 ms"] / medians(seen[_BARE])["p50 ms"]}
    if (go := seen.get(f"{_GO}, jsoniter")) is not None:
        ratios["p50 to Go"] = values["p50 ms"] / medians(go)["p50 ms"]
    ratios["p50 to our gather"] = values["p50 ms"] / medians(seen[_OURS])["p50 ms"]
    ratios["p99 to own p50"] = values["p99 ms"] / values["p50 ms"]
    return Row(part=_PART, case=f"N={count}", who=who, values=values, ratios=ratios)
