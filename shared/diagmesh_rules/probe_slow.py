"""probe-slow: a door of an instance answers as it should, but late."""

from collections.abc import Iterator

from diagmesh.contract.answers.health import Check, Health, Verdict
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._process import Standing, probes, process_check, standing

__all__ = ["SlowLimits", "probe_slow"]


class SlowLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is slow.

    Args:
        slow_ms: a passing probe that took longer is told.
    """

    slow_ms: float = 500.0


@rule(
    "PROC-005",
    "Probe is slow",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Health,),
    limits=SlowLimits(),
)
def probe_slow(seen: Evidence, limits: SlowLimits) -> Iterator[Hit | Unjudged]:
    """Every probe that passes does so in time."""
    for where, health in seen.each(Health):
        if standing(health) in {Standing.GONE, Standing.HELD}:
            continue
        passing = [check for check in probes(health) if check.verdict is Verdict.PASS]
        slow = sorted(
            (-check.took_ms, check.name, check) for check in passing if _over(check, limits) and check.took_ms
        )
        if slow:
            worst = slow[0][2]
            title = f"probe {worst.name} passes, but took {worst.took_ms:.0f} ms (limit {limits.slow_ms:g} ms)"
            facts = tuple(fact for _, _, check in slow for fact in _facts(check, limits))
            yield Hit(where=where, title=title, evidence=facts)
        elif process_check(health) is None:
            yield Unjudged(where=where, why="the answer leaves out the checks that pass (ask without detail brief)")
        elif untimed := [check.name for check in passing if check.took_ms is None]:
            yield Unjudged(where=where, why=f"how long they took is not told: {', '.join(untimed)}")


def _over(check: Check, limits: SlowLimits) -> bool:
    return check.took_ms is not None and check.took_ms > limits.slow_ms


def _facts(check: Check, limits: SlowLimits) -> Iterator[Fact]:
    yield Fact(what=f"{check.name} {check.target}".rstrip(), value=check.took_ms, unit="ms", limit=limits.slow_ms)
    for phase, took_ms in check.phases_ms.items():
        yield Fact(what=f"{check.name}: {phase}", value=took_ms, unit="ms")
