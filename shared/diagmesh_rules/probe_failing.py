"""probe-failing: the process of an instance is there, but a door of it does not answer as it should."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.health import Check, Health
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._by_hand import by_hand
from diagmesh_rules._process import Standing, failing, probes, standing, unseen

__all__ = ["ProbeLimits", "probe_failing"]

_TOO_EARLY: Final = "a door fails, but its process started just now and may not have opened it yet: look again soon"


class ProbeLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a door that is shut says something.

    Args:
        opening_s: a process that is younger may not have come to open its doors: then it cannot be judged.
    """

    opening_s: float = 5.0


@rule(
    "PROC-003",
    "Probe fails",
    severity=Severity.ERROR,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Health,),
    limits=ProbeLimits(),
)
def probe_failing(seen: Evidence, limits: ProbeLimits) -> Iterator[Hit | Unjudged]:
    """No probe of an instance whose process runs fails, but for one that says "not ready" (PROC-006)."""
    for where, health in seen.each(Health):
        if standing(health) in {Standing.GONE, Standing.HELD}:
            continue  # no door answers then: PROC-001 and PROC-002 say so
        failed = failing(health)
        if failed and health.uptime_s is not None and health.uptime_s < limits.opening_s:
            yield Unjudged(where=where, why=_TOO_EARLY)
        elif failed:
            yield _hit(where, failed, len(probes(health)))
        elif why := unseen(health):
            yield Unjudged(where=where, why=why)


def _hit(where: Key, failed: tuple[Check, ...], asked: int) -> Hit:
    first = failed[0]
    kind = "required" if first.required else "optional"
    title = f"{kind} probe {first.name} fails: {first.reason}"
    if len(failed) > 1:
        title += f" (with it {len(failed) - 1} more of {asked} probes)"
    return Hit(
        where=where,
        title=title,
        evidence=tuple(fact for check in failed for fact in _facts(check)),
        severity=Severity.ERROR if first.required else Severity.WARNING,
        now=by_hand(where, first),
    )


def _facts(check: Check) -> Iterator[Fact]:
    yield Fact(what=f"{check.name} ({check.kind}) {check.target}".rstrip(), value=check.reason)
    if check.took_ms is not None:
        yield Fact(what=f"{check.name} took", value=check.took_ms, unit="ms")
