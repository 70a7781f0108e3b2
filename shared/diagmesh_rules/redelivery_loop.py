"""redelivery-loop: a consumer gets its messages again and again, because they are sent back."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Cause, ConsumerState, Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, consumers_with, info_of
from diagmesh_rules._words import number

__all__ = ["LoopLimits", "redelivery_loop"]


class LoopLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is a loop.

    Args:
        again_per_s: redeliveries.
    """

    again_per_s: float = 1.0


@rule(
    "JS-006",
    "Redelivery loop",
    severity=Severity.ERROR,
    issue=FindingClass.LOGIC_ERROR,
    reads=(Streams,),
    limits=LoopLimits(),
)
def redelivery_loop(seen: Evidence, limits: LoopLimits) -> Iterator[Hit | Unjudged]:
    """Messages are sent back now and then, not most of the time."""

    def judge(one: ConsumerState, _: Streams) -> Found | None:
        again = one.redelivered_per_s or 0.0
        if again < limits.again_per_s:
            return None
        facts = (
            Fact(what=f"{one.full_name}: redeliveries", value=again, unit="/s", limit=limits.again_per_s),
            Fact(what="first deliveries", value=one.delivered_per_s, unit="/s"),
            Fact(what="all deliveries", value=one.deliveries),
            Fact(what="acknowledged up to", value=one.acked_seq),
        )
        rate = f"{number(again)} redeliveries per second"
        title = f"{one.full_name}: {rate}, faster than its ack wait: they are sent back"
        return Found(title, facts, (f"see it move: {info_of(one)}",))

    yield from consumers_with(seen, {Cause.LOOP}, judge)
