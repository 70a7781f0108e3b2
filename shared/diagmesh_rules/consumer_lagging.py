"""consumer-lagging: messages come faster than a consumer of the service handles them."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Cause, ConsumerState, Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, consumers_with, info_of
from diagmesh_rules._words import duration, number

__all__ = ["LagLimits", "consumer_lagging"]


class LagLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much lag is too much.

    Args:
        pending_count: so many messages wait at least.
        drain_s: unless they are handled within that time, at the rate of now.
    """

    pending_count: int = 1000
    drain_s: float = 300.0


@rule(
    "JS-002",
    "Consumer lags behind",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Streams,),
    limits=LagLimits(),
)
def consumer_lagging(seen: Evidence, limits: LagLimits) -> Iterator[Hit | Unjudged]:
    """What waits for a consumer is handled within minutes."""

    def judge(one: ConsumerState, answer: Streams) -> Found | None:
        drains = one.drain_s is not None and one.drain_s <= limits.drain_s
        if one.pending < limits.pending_count or drains or answer.over_s is None:
            return None
        grows = one.pending_per_s or 0.0
        facts = [
            Fact(what=f"{one.full_name}: waiting", value=one.pending, limit=limits.pending_count),
            Fact(what="delivered", value=one.delivered_per_s, unit="/s"),
            Fact(what="the lag grows by", value=grows, unit="/s"),
        ]
        if one.drain_s is None:
            become = f"grows by {number(grows)}/s" if grows > 0 else "does not shrink"
        else:
            become = f"drained in {duration(one.drain_s)} only"
            facts.append(Fact(what="drained in", value=one.drain_s, unit="s", limit=limits.drain_s))
        return Found(
            f"{one.full_name}: {one.pending} messages wait, {become}",
            tuple(facts),
            (f"see whether its handlers are busy: {info_of(one)}",),
        )

    yield from consumers_with(seen, {Cause.SLOW}, judge)
