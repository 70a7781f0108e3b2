"""push-without-subscriber: a push consumer has messages, and nobody subscribes to where it sends them."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Cause, ConsumerState, Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, consumers_with, info_of
from diagmesh_rules._words import duration

__all__ = ["UnheardLimits", "push_without_subscriber"]


class UnheardLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long nobody may listen: a subscriber that connects again needs its time.

    Args:
        unheard_s: since the last delivery or acknowledgement; since its making, where there was none.
    """

    unheard_s: float = 10.0


@rule(
    "JS-004",
    "Push consumer has no subscriber",
    severity=Severity.ERROR,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Streams,),
    limits=UnheardLimits(),
)
def push_without_subscriber(seen: Evidence, limits: UnheardLimits) -> Iterator[Hit | Unjudged]:
    """Where a push consumer has messages, somebody subscribes to its deliver subject."""

    def judge(one: ConsumerState, _: Streams) -> Found | None:
        if one.still_s is None or one.still_s < limits.unheard_s:
            return None
        facts = (
            Fact(what=f"{one.full_name}: waiting messages", value=one.pending),
            Fact(what="not acknowledged", value=one.ack_pending),
            Fact(what="nothing moved for", value=one.still_s, unit="s", limit=limits.unheard_s),
        )
        waits = one.pending or one.ack_pending
        title = f"{one.full_name}: {waits} messages wait, nobody subscribes (for {duration(one.still_s)})"
        return Found(title, facts, (f"see where it sends to: {info_of(one)}",))

    yield from consumers_with(seen, {Cause.UNHEARD}, judge)
