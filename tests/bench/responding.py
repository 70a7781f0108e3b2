"""Responders: what one request costs the process that answers it."""

from collections.abc import Sequence
from pathlib import Path

from bench.lab import Lab, cpu_s, medians
from bench.report import Row
from bench.wire import SERVICE, Load
from diagmesh.contract.subjects import ask_one

__all__ = ["responders"]

_PART = "responder"
_IN_FLIGHT = (1, 32, 256)
_REPETITIONS = 2
_SECONDS = 0.6
_WATCHED_MOST = {"health": 32, "resources": 4}
"""A real sidecar refuses with 429 what is above its limit, so it is not asked for more at a time."""
_BARE = "bare nats-py"


def responders(lab: Lab) -> list[Row]:
    """Every responder under one, a few and many requests at a time, in turn."""
    simulated = ask_one(SERVICE, "health")
    contestants: dict[str, tuple[Sequence[str | Path], str, tuple[int, ...]]] = {
        _BARE: (["python", "-m", "bench.responders", "bare", lab.url], simulated, _IN_FLIGHT),
        "our runtime": (["python", "-m", "bench.responders", "runtime", lab.url], simulated, _IN_FLIGHT),
    }
    for kind, most in _WATCHED_MOST.items():
        few = tuple(number for number in _IN_FLIGHT if number <= most)
        contestants[f"sidecar, {kind}"] = (_sidecar(lab), ask_one("watched", kind), few)
    if lab.go is not None:
        contestants["Go nats.go"] = ([lab.go, "respond", lab.url, simulated], simulated, _IN_FLIGHT)
    seen: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(_REPETITIONS):
        for who, (command, subject, cases) in contestants.items():
            for in_flight, values in _measure(lab, command, subject, cases).items():
                seen.setdefault((who, in_flight), []).append(values)
    rows = [_row(who, in_flight, seen) for in_flight in _IN_FLIGHT for who in contestants if (who, in_flight) in seen]
    return rows + ([] if lab.go else [Row(part=_PART, case="all", who="Go nats.go", note=lab.no_go)])


def _sidecar(lab: Lab) -> list[str | Path]:
    who = ["--service", "watched", "--instance", "w1", "--port", lab.url.rpartition(":")[2]]
    return ["python", "-m", "diagmesh_agents", "--nats", lab.url, *who, "--log-level", "warning"]


def _measure(
    lab: Lab, command: Sequence[str | Path], subject: str, cases: tuple[int, ...]
) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    with lab.start(command) as responder:
        lab.await_answer(subject)
        for in_flight in cases:
            with lab.talking(["python", "-m", "bench.load", lab.url, subject, str(in_flight), str(_SECONDS)]) as load:
                lab.heard(load, "counting")
                before = cpu_s(responder.pid)
                lab.heard(load, "counted")
                used_s = cpu_s(responder.pid) - before
                outcome = lab.outcome(Load, load)
            found[in_flight] = {
                "req/s": outcome.per_second,
                "p50 us": outcome.p50_us,
                "p99 us": outcome.p99_us,
                "CPU us/req": 1e6 * used_s / outcome.requests,
                "refused": float(outcome.refused),
            }
    return found


def _row(who: str, in_flight: int, seen: dict[tuple[str, int], list[dict[str, float]]]) -> Row:
    values, base = medians(seen[who, in_flight]), medians(seen[_BARE, in_flight])
    refused = values.pop("refused")
    return Row(
        part=_PART,
        case=f"c={in_flight}",
        who=who,
        values=values,
        ratios={f"{name} to bare": values[name] / base[name] for name in ("p50 us", "CPU us/req")},
        note=f"{refused:.0f} were refused" if refused else "",
    )
