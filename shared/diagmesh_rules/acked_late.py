"""acked-late: messages come twice because they are acknowledged later than the consumer waits."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Cause, ConsumerState, Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, consumers_with, info_of
from diagmesh_rules._words import duration, percent

__all__ = ["LateLimits", "acked_late"]


class LateLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many may come twice.

    Args:
        share: of all deliveries.
    """

    share: float = 0.1


@rule(
    "JS-007",
    "Messages are acknowledged too late",
    severity=Severity.WARNING,
    issue=FindingClass.MESSAGE_DUPLICATION,
    reads=(Streams,),
    limits=LateLimits(),
)
def acked_late(seen: Evidence, limits: LateLimits) -> Iterator[Hit | Unjudged]:
    """Messages are acknowledged within the ack wait of their consumer, so that they are handled once."""

    def judge(one: ConsumerState, _: Streams) -> Found | None:
        again, first = one.redelivered_per_s or 0.0, one.delivered_per_s or 0.0
        share = again / (again + first) if again else 0.0
        if share < limits.share:
            return None
        facts = (
            Fact(what=f"{one.full_name}: redeliveries", value=share, unit="share", limit=limits.share),
            Fact(what="that is", value=again, unit="/s"),
            Fact(what="ack wait", value=one.ack_wait_s, unit="s"),
            Fact(what="not acknowledged", value=one.ack_pending),
        )
        wait = duration(one.ack_wait_s or 0.0)
        title = f"{one.full_name}: {percent(share)} of deliveries are repeated: not acknowledged within {wait}"
        return Found(title, facts, (f"compare its ack wait with what handling takes: {info_of(one)}",))

    yield from consumers_with(seen, {Cause.LATE}, judge)
