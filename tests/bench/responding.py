"""Responders: what one request costs the process that answers it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.lab import Lab, cpu_s
from bench.pace import Pace
from bench.report import Row
from bench.turns import Seen, row
from bench.wire import SERVICE, Load
from diagmesh.contract.subjects import ask_one

__all__ = ["responders"]

_PART = "responding"
_WATCHED_MOST = {"health": 32, "resources": 4}
"""A real sidecar refuses with 429 what is above its limit, so it is not asked for more at a time."""
_BARE = "bare nats-py"
_GO = {"Go micro": "micro", "Go nats.go": "respond"}
Contestant = tuple[Sequence[str | Path], str, tuple[int, ...]]


def responders(lab: Lab, pace: Pace) -> list[Row]:
    """Every responder under one, a few and many requests at a time, in turn."""
    contestants = _contestants(lab, pace)
    seen: Seen[tuple[str, int]] = {}
    for _ in range(pace.turns):
        for who, (command, subject, cases) in contestants.items():
            for in_flight, values in _measure(lab, command, subject, cases, pace.load_s).items():
                seen.setdefault((who, in_flight), []).append(values)
    rows = [
        _row(who, in_flight, seen) for in_flight in pace.in_flight for who in contestants if (who, in_flight) in seen
    ]
    return rows + ([] if lab.go else [Row(part=_PART, case="all", who="Go", note=lab.no_go)])


def _contestants(lab: Lab, pace: Pace) -> dict[str, Contestant]:
    """Who answers, on which subject, and how many requests at a time."""
    simulated = ask_one(SERVICE, "health")
    found: dict[str, Contestant] = {
        _BARE: (["python", "-m", "bench.responders", "bare", lab.url], simulated, pace.in_flight),
        "our runtime": (["python", "-m", "bench.responders", "runtime", lab.url], simulated, pace.in_flight),
    }
    if lab.go is not None:
        found |= {who: ([lab.go, verb, lab.url, simulated], simulated, pace.in_flight) for who, verb in _GO.items()}
    for kind, most in _WATCHED_MOST.items():
        few = tuple(number for number in pace.in_flight if number <= most)
        found[f"sidecar, {kind}"] = (lab.sidecar(), ask_one("watched", kind), few)
    return found


def _measure(
    lab: Lab, command: Sequence[str | Path], subject: str, cases: tuple[int, ...], load_s: float
) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    with lab.start(command) as responder:
        lab.await_answer(subject)
        for in_flight in cases:
            with lab.talking(["python", "-m", "bench.load", lab.url, subject, str(in_flight), str(load_s)]) as load:
                lab.heard(load, "counting")
                before = cpu_s(responder.pid)
                lab.heard(load, "counted")
                used_s = cpu_s(responder.pid) - before
                outcome = lab.outcome(Load, load)
            found[in_flight] = {
                "CPU us": 1e6 * used_s / outcome.requests,
                "p50 us": outcome.p50_us,
                "p99 us": outcome.p99_us,
                "req/s": outcome.per_second,
                "refused": float(outcome.refused),
            }
    return found


def _row(who: str, in_flight: int, seen: Seen[tuple[str, int]]) -> Row:
    many = seen[who, in_flight]
    refused = max(one["refused"] for one in many)
    told = [{name: value for name, value in one.items() if name != "refused"} for one in many]
    peers = {"CPU/bare": ("CPU us", seen[_BARE, in_flight])}
    if (go := seen.get(("Go micro", in_flight))) is not None:
        peers["CPU/Go"] = ("CPU us", go)
    found = row(_PART, f"c={in_flight}", who, told, peers)
    return msgspec.structs.replace(found, note=f"{refused:.0f} were refused" if refused else "")
