"""What performance is wanted, and whether this run met it. Measured, never judged: nothing fails for it."""

from collections.abc import Callable
from typing import Final, NamedTuple

from bench.report import Report

__all__ = ["TARGETS", "Target", "verdicts"]


class Target(NamedTuple):
    """One target.

    Args:
        what: in words.
        most: the most that it may be.
        unit: of that.
        measured: from the numbers of a run; None where it was not measured.
    """

    what: str
    most: float
    unit: str
    measured: Callable[[Report], float | None]


def _value(part: str, case: str, who: str, name: str) -> Callable[[Report], float | None]:
    return lambda report: report.value(part, case, who, name)


def _to_own(part: str, case: str, who: str, name: str, other: str) -> Callable[[Report], float | None]:
    """A value to another one of the same line."""
    return lambda report: _over(report.value(part, case, who, name), report.value(part, case, who, other))


def _to_other(part: str, case: str, who: str, name: str, other: str) -> Callable[[Report], float | None]:
    """A value to that of another one."""
    return lambda report: _over(report.value(part, case, who, name), report.value(part, case, other, name))


def _over(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else value / base


def _further(report: Report) -> float | None:
    six, one = (
        report.value("hosting", "instances on one host", f"one sidecar, {who}", "RSS MiB")
        for who in ("six instances", "one instance")
    )
    return None if six is None or one is None else (six - one) / 5


def _go(name: str) -> Callable[[Report], float | None]:
    return _value("go-pages", "G=10000", "runtime, every page", name)


def _nats(who: str, name: str) -> Callable[[Report], float | None]:
    return _value("nats-looks", "10000 subscriptions, 1000 consumers", who, name)


_FAN: Final = "fan-out"
_MESH: Final = "diag.mesh.health"
_GATHER: Final = "our gather"
TARGETS: Final = (
    Target("gather of 1000: CPU per reply", 13, "us", _value(_FAN, "N=1000", _GATHER, "CPU us")),
    Target("gather of 1000: p50 to Go + jsoniter", 2.2, "x", _value(_FAN, "N=1000", _GATHER, "p50/Go")),
    Target("1000 connections: p50 to Go", 1.2, "x", _value("connections", "N=1000", _GATHER, "p50/Go")),
    Target("5000 connections: p50 to Go", 1.2, "x", _value("connections", "N=5000", _GATHER, "p50/Go")),
    Target("mesh health over 1000: p50 to our gather", 1.3, "x", _to_other(_FAN, "N=1000", _MESH, "p50 ms", _GATHER)),
    Target("mesh health over 1000: CPU to our gather", 1.3, "x", _to_other(_FAN, "N=1000", _MESH, "CPU us", _GATHER)),
    Target("mesh health over 1000: p50 to bare nats-py", 1.3, "x", _value(_FAN, "N=1000", _MESH, "p50/bare")),
    Target("gather of 1000: p99 to its p50", 2, "x", _to_own(_FAN, "N=1000", _GATHER, "p99 ms", "p50 ms")),
    Target("gather of 5000: p99 to its p50", 2, "x", _to_own(_FAN, "N=5000", _GATHER, "p99 ms", "p50 ms")),
    Target("mesh health over 1000: p99 to its p50", 2, "x", _to_own(_FAN, "N=1000", _MESH, "p99 ms", "p50 ms")),
    Target("runtime: CPU per request, 256 in flight", 13, "us", _value("responding", "c=256", "our runtime", "CPU us")),
    Target("resources: CPU of one look", 150, "us", _value("collecting", "one look", "resources", "CPU us")),
    Target(
        "resources: longest call on the event loop", 1, "ms", _value("collecting", "one look", "resources", "loop ms")
    ),
    Target(
        "profile of 20000 stacks: read, to go tool pprof",
        3,
        "x",
        _value("reading", "20000 stacks", "ours, a whole process", "/pprof"),
    ),
    Target("heap look: CPU of the service", 20, "ms", _value("profiling", "100 goroutines", "heap", "CPU ms")),
    Target(
        "100 goroutines, stacks: pause of the service",
        20,
        "ms",
        _value("dumping", "100 goroutines", "stacks", "pause ms"),
    ),
    Target(
        "10000 goroutines, counts: pause of the service",
        20,
        "ms",
        _value("dumping", "10,000 goroutines", "counts", "pause ms"),
    ),
    Target("a look at the Go runtime: CPU of the service", 2000, "us", _go("service us")),
    Target("a look at the Go runtime: CPU of the sidecar", 5000, "us", _go("sidecar us")),
    Target("10,000 subscriptions: memory of one look", 8, "MiB", _nats("connection", "peak MiB")),
    Target("10,000 subscriptions: CPU of the sidecar", 100, "ms", _nats("connection", "sidecar ms")),
    Target("1000 consumers: p50 of one look", 100, "ms", _nats("streams", "p50 ms")),
    Target("1000 consumers: memory of one look", 8, "MiB", _nats("streams", "peak MiB")),
    Target("sidecar with all agents: RSS", 36, "MiB", _value("footprint", "process", "sidecar", "RSS MiB")),
    Target("each further instance of a sidecar: RSS", 1, "MiB", _further),
    Target("sidecar: start to first answer", 300, "ms", _value("footprint", "process", "sidecar", "start ms")),
    Target("sidecar: idle CPU", 0.2, "%", _value("footprint", "process", "sidecar", "idle %")),
    Target("diagmesh --help: whole process", 350, "ms", _value("commands", "command", "diagmesh --help", "whole ms")),
    Target("diagmesh ask: whole process", 450, "ms", _value("commands", "command", "diagmesh ask", "whole ms")),
)


def verdicts(report: Report) -> list[str]:
    """One line for each target that this run can tell of."""
    lines = [f"  {'':<48}{'measured':>11}{'target':>11}"]
    for what, most, unit, measured in TARGETS:
        value = measured(report)
        if value is not None:
            said = "met" if value <= most else "missed"
            lines.append(f"  {what:<48}{_told(value, unit):>11}{f'{most:g} {unit}':>11}  {said}")
    return lines if len(lines) > 1 else []


def _told(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
