"""consumer-stalled: a consumer holds as many unacknowledged messages as it may, so that it gets no others."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Cause, ConsumerState, Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, consumers_with, info_of
from diagmesh_rules._words import duration

__all__ = ["StalledLimits", "consumer_stalled"]


class StalledLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long it may stand still.

    Args:
        still_s: since its last acknowledgement, while it holds as many messages as it may.
        never_s: since it was made, while it has never acknowledged any and holds as many as it may.
    """

    still_s: float = 10.0
    never_s: float = 10.0


@rule(
    "JS-001",
    "Consumer is stalled",
    severity=Severity.ERROR,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Streams,),
    limits=StalledLimits(),
)
def consumer_stalled(seen: Evidence, limits: StalledLimits) -> Iterator[Hit | Unjudged]:
    """Whoever holds as many messages as a consumer allows acknowledges some of them."""

    def judge(one: ConsumerState, _: Streams) -> Found | None:
        never = one.acked_age_s is None
        still_s, limit = (one.created_age_s, limits.never_s) if never else (one.acked_age_s, limits.still_s)
        if still_s is None or still_s < limit:
            return None
        facts = (
            Fact(what=f"{one.full_name}: not acknowledged", value=one.ack_pending, limit=one.max_ack_pending),
            Fact(what="waiting behind them", value=one.pending),
            Fact(
                what="made, and none acknowledged" if never else "last acknowledgement",
                value=still_s,
                unit="s",
                limit=limit,
            ),
        )
        since = "ever acknowledged" if never else f"acknowledged for {duration(still_s)}"
        title = f"{one.full_name}: {one.ack_pending} of {one.max_ack_pending} messages held, none {since}"
        return Found(title, facts, (f"see who holds them: {info_of(one)}",))

    yield from consumers_with(seen, {Cause.STALLED}, judge)
