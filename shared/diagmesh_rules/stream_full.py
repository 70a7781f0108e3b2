"""stream-full: a stream that refuses new messages when it is full is full, or nearly so."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Streams, StreamState
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, each_answer, told, unseen
from diagmesh_rules._words import duration, percent

__all__ = ["FullLimits", "stream_full"]


class FullLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How full is too full.

    Args:
        near_share: of its limit of messages, bytes or consumers.
        error_share: from here it refuses, or will in a moment.
        soon_s: or it will be full within that time, at the rate of now.
    """

    near_share: float = 0.9
    error_share: float = 0.99
    soon_s: float = 300.0


@rule(
    "JS-008",
    "Stream is full",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Streams,),
    limits=FullLimits(),
)
def stream_full(seen: Evidence, limits: FullLimits) -> Iterator[Hit | Unjudged]:
    """A stream that refuses what does not fit has room for what comes."""
    for where, answer in each_answer(seen):
        found = [one for each in answer.streams if (one := _judged(each, limits)) is not None]
        yield from told(where, found, unseen(answer, "streams"))


def _judged(one: StreamState, limits: FullLimits) -> Found | None:
    share, of = one.full_share or 0.0, one.full_of
    if one.max_consumers and one.consumers >= limits.near_share * one.max_consumers:
        share, of = one.consumers / one.max_consumers, "consumers"
    elif one.discard != "new":
        return None  # it makes room by itself: whether that loses anything is another rule's
    soon = one.full_in_s is not None and one.full_in_s <= limits.soon_s
    if share < limits.near_share and not soon:
        return None
    full = share >= limits.error_share
    facts = [
        Fact(what=f"{one.name}: of its limit of {of}", value=share, unit="share", limit=limits.near_share),
        Fact(what="messages", value=one.messages, limit=one.max_messages),
        Fact(what="bytes", value=float(one.bytes), unit="bytes", limit=one.max_bytes),
    ]
    if one.full_in_s is not None:
        facts.append(Fact(what="full in", value=one.full_in_s, unit="s", limit=limits.soon_s))
    until = f", full in {duration(one.full_in_s)}" if one.full_in_s is not None and not full else ""
    become = ": new ones are refused" if full else until
    title = f"{one.name} holds {percent(share)} of the {of} that it may{become}"
    severity = Severity.ERROR if full else Severity.WARNING
    return Found(title, tuple(facts), (), severity, {"ORDERS": one.name}, one.name, one.identity)
