"""messages-lost: a stream drops messages before a consumer of the service got them, or will in a moment."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import ConsumerState, Streams, StreamState
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, each_answer, info_of, names_of, told, unseen
from diagmesh_rules._words import duration

__all__ = ["LossLimits", "messages_lost"]


class LossLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How near a loss must be.

    Args:
        soon_s: the stream overtakes a consumer within that time, at the rates of now.
        lost_count: so many messages are a loss.
    """

    soon_s: float = 300.0
    lost_count: int = 1


@rule(
    "JS-009",
    "Messages are lost before they are delivered",
    severity=Severity.ERROR,
    issue=FindingClass.MESSAGE_LOSS,
    reads=(Streams,),
    limits=LossLimits(),
)
def messages_lost(seen: Evidence, limits: LossLimits) -> Iterator[Hit | Unjudged]:
    """A stream keeps messages until every consumer of the service got them."""
    for where, answer in each_answer(seen):
        streams = {one.name: one for one in answer.streams}
        found = [
            one for each in answer.consumers if (one := _judged(each, streams.get(each.stream), limits)) is not None
        ]
        yield from told(where, found, unseen(answer, "consumers", "streams"))


def _judged(one: ConsumerState, stream: StreamState | None, limits: LossLimits) -> Found | None:
    lost = one.lost >= limits.lost_count
    soon = one.lost_in_s is not None and one.lost_in_s <= limits.soon_s
    if not (lost or soon):
        return None
    facts = [
        Fact(what=f"{one.full_name}: lost", value=one.lost, limit=limits.lost_count),
        Fact(what="delivered up to", value=one.delivered_seq),
        Fact(what="waiting", value=one.pending),
    ]
    if stream is not None:
        facts.append(Fact(what=f"{stream.name} begins at", value=stream.first_seq))
        if stream.gone_per_s is not None:
            facts.append(Fact(what="dropped from its beginning", value=stream.gone_per_s, unit="/s"))
    if one.lost_in_s is not None:
        facts.append(Fact(what="overtaken in", value=one.lost_in_s, unit="s", limit=limits.soon_s))
    now, names = (f"see how far behind it is: {info_of(one)}",), names_of(one)
    if lost:
        title = f"{one.full_name}: {one.lost} messages were dropped before it got them"
        return Found(title, tuple(facts), now, names=names, about=one.full_name, same=one.identity)
    left = duration(one.lost_in_s or 0.0)
    title = f"{one.full_name}: in {left} messages will be dropped before it gets them"
    return Found(title, tuple(facts), now, Severity.WARNING, names, one.full_name, one.identity)
