"""nobody-pulls: messages wait for a pull consumer, and nobody asks for them."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Cause, ConsumerState, Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, consumers_with, info_of
from diagmesh_rules._words import duration

__all__ = ["IdleLimits", "nobody_pulls"]


class IdleLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long nobody may ask.

    Args:
        idle_s: since the last delivery; since its making, where there was none.
    """

    idle_s: float = 60.0


@rule(
    "JS-003",
    "Nobody pulls from a consumer",
    severity=Severity.ERROR,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Streams,),
    limits=IdleLimits(),
)
def nobody_pulls(seen: Evidence, limits: IdleLimits) -> Iterator[Hit | Unjudged]:
    """Where messages wait, somebody asks for them."""

    def judge(one: ConsumerState, _: Streams) -> Found | None:
        idle_s = one.delivered_age_s if one.delivered_age_s is not None else one.created_age_s
        if idle_s is None or idle_s < limits.idle_s:
            return None
        facts = (
            Fact(what=f"{one.full_name}: waiting messages", value=one.pending),
            Fact(what="waiting pulls", value=one.waiting),
            Fact(what="last delivery", value=idle_s, unit="s", limit=limits.idle_s),
        )
        since = f"for {duration(idle_s)}" if one.delivered_age_s is not None else "ever"
        title = f"{one.full_name}: {one.pending} messages wait, nobody has asked for one {since}"
        return Found(title, facts, (f"see whether somebody asks now: {info_of(one)}",))

    yield from consumers_with(seen, {Cause.NOBODY}, judge)
