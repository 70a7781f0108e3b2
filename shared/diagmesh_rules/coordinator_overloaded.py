"""coordinator-overloaded: a coordinator comes late to everything, or has as many questions in work as it may."""

from collections.abc import Iterator

from diagmesh.contract.answers.coordinator import Coordinator
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["OverloadedLimits", "coordinator_overloaded"]


class OverloadedLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a coordinator has too much to do.

    Args:
        late_s: half of the time the event loop comes so late to what is due.
        least_over_s: watched for a shorter time, that is no state.
        busy_share: of the questions that it may have in work at a time.
    """

    late_s: float = 0.1
    least_over_s: float = 5.0
    busy_share: float = 0.8


@rule(
    "MESH-007",
    "Coordinator is overloaded",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Coordinator,),
    limits=OverloadedLimits(),
)
def coordinator_overloaded(seen: Evidence, limits: OverloadedLimits) -> Iterator[Hit | Unjudged]:
    """Every coordinator comes in time to what is due, and has room for more questions."""
    for where, one in seen.each(Coordinator):
        work, lag = one.work, one.loop_lag
        if work.in_work >= limits.busy_share * work.limit:
            fact = Fact(what="questions in work", value=work.in_work, unit="count", limit=work.limit)
            refused = Fact(what="refused as busy since its start", value=work.refused_busy, unit="count")
            title = f"{work.in_work} questions are in work, and {work.limit} may be: more are refused"
            yield Hit(where=where, title=title, evidence=(fact, refused))
        elif lag is None or lag.over_s < limits.least_over_s:
            left_s = limits.least_over_s - (lag.over_s if lag is not None else 0.0)
            yield Unjudged(where=where, why="its event loop was only begun to be watched", again_in_s=left_s)
        elif lag.p50_s >= limits.late_s:
            facts = tuple(
                Fact(what=f"event loop late ({name})", value=value, unit="s", limit=limit)
                for name, value, limit in (
                    ("median", lag.p50_s, limits.late_s),
                    ("99 %", lag.p99_s, None),
                    ("worst", lag.max_s, None),
                )
            )
            title = f"its event loop comes {lag.p50_s * 1000:.0f} ms late, half of the time"
            yield Hit(where=where, title=title, evidence=facts)
