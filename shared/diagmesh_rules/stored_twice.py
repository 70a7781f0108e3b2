"""stored-twice: a stream holds messages of one id twice, because the second came after its duplicate window."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import MessageIds, Streams, StreamState
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, each_answer, told, unseen
from diagmesh_rules._words import duration

__all__ = ["RepeatedLimits", "stored_twice"]


class RepeatedLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many are too many.

    Args:
        repeated_count: messages that are there a second time.
        lately_s: what was stored longer ago is told in the answer only.
    """

    repeated_count: int = 1
    lately_s: float = 3600.0


@rule(
    "JS-010",
    "Messages are stored twice",
    severity=Severity.WARNING,
    issue=FindingClass.MESSAGE_DUPLICATION,
    reads=(Streams,),
    limits=RepeatedLimits(),
)
def stored_twice(seen: Evidence, limits: RepeatedLimits) -> Iterator[Hit | Unjudged]:
    """No message is stored twice under one id."""
    for where, answer in each_answer(seen):
        blind = unseen(answer, "ids of messages")
        if not blind and all(one.ids is None for one in answer.streams):
            why = "ids of messages are read of streams that ids in [targets.streams] names, and of no others"
            yield Unjudged(where=where, why=why, not_here=True)
            continue
        found = [
            _found(one, one.ids)
            for one in answer.streams
            if one.ids is not None and one.ids.repeated >= limits.repeated_count and _lately(one.ids, limits)
        ]
        yield from told(where, found, blind)


def _lately(ids: MessageIds, limits: RepeatedLimits) -> bool:
    return bool(ids.last) and ids.last[0].age_s <= limits.lately_s


def _found(one: StreamState, ids: MessageIds) -> Found:
    last, window_s = ids.last[0], one.duplicate_window_s
    beyond = f", after its duplicate window of {duration(window_s)}" if window_s and last.apart_s >= window_s else ""
    count = "1 message" if ids.repeated == 1 else f"{ids.repeated} messages"
    title = (
        f"{one.name} holds {count} twice: sequence {last.seq} has the id of {last.first_seq},"
        f" and came {duration(last.apart_s)} later{beyond}"
    )
    facts = (
        Fact(what=f"{one.name}: messages of an id that came before", value=ids.repeated),
        Fact(what=f"{one.name}: duplicate window", value=window_s, unit="s"),
        *(
            Fact(what=f"{one.name}: sequence {each.seq} after {each.first_seq}", value=each.apart_s, unit="s")
            for each in ids.last
        ),
        Fact(what=f"{one.name}: read, of which without an id", value=f"{ids.read}, {ids.without}"),
    )
    names = {"ORDERS": one.name, "17": str(last.first_seq), "18": str(last.seq)}
    return Found(title, facts, names=names, about=one.name, same=one.identity)
