"""nats-no-answer: requests reach the service, and it answers none: whoever asks waits for nothing."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection, Link, ServerView
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_views import views_of
from diagmesh_rules._words import number

__all__ = ["AnswerLimits", "nats_no_answer"]


class AnswerLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as no answer.

    Args:
        requests_per_s: so many requests must come, between the two looks.
        answered_share: messages that the service sends, to those that it must answer.
    """

    requests_per_s: float = 2.0
    answered_share: float = 0.05


@rule(
    "NATS-024",
    "Requests are not answered",
    severity=Severity.ERROR,
    issue=FindingClass.TIMEOUT,
    reads=(Connection,),
    limits=AnswerLimits(),
)
def nats_no_answer(seen: Evidence, limits: AnswerLimits) -> Iterator[Hit | Unjudged]:
    """The service answers on the subjects on which the settings say that it must."""
    for where, answer in seen.each(Connection):
        views = views_of(where, answer)
        if isinstance(views, Unjudged):
            yield views
            continue
        must = [view for view in views if any(sub.answers for sub in view.subs)]
        if not must and (unseen := [one.why for one in answer.blind if one.what.startswith("subscriptions")]):
            yield Unjudged(where=where, why=f"not all of its subscriptions were seen: {unseen[0]}")
            continue
        if not must:
            why = "answers in [targets.connection] names no subscription that it has"
            yield Unjudged(where=where, why=why, not_here=True)
            continue
        if all(view.in_msgs_per_s is None for view in must):
            yield Unjudged(where=where, why="there was one look only, so no rate")
            continue
        found = [view for view in must if _mute(view, limits)]
        if found and not _unread(answer.links or ()):  # else NATS-011 says why
            yield Hit(
                where=where,
                title=_title(found[0]),
                evidence=tuple(f for one in found for f in _facts(one)),
                names={"orders.get": _busiest(found[0])},
            )


def _asked_per_s(view: ServerView) -> float:
    return sum(sub.msgs_per_s or 0.0 for sub in view.subs if sub.answers)


def _mute(view: ServerView, limits: AnswerLimits) -> bool:
    asked = _asked_per_s(view)
    return asked >= limits.requests_per_s and (view.in_msgs_per_s or 0.0) < limits.answered_share * asked


def _unread(links: tuple[Link, ...]) -> bool:
    """Whether the process does not even read: then it cannot know that it was asked."""
    return any(link.receive_queue_bytes and link.seen is not None for link in links)


def _title(view: ServerView) -> str:
    sends = number(view.in_msgs_per_s or 0.0)
    return f"{number(_asked_per_s(view))} requests a second reach it on {_busiest(view)}, and it sends {sends} messages"


def _busiest(view: ServerView) -> str:
    return max((sub for sub in view.subs if sub.answers), key=lambda sub: sub.msgs_per_s or 0.0).subject


def _facts(view: ServerView) -> Iterator[Fact]:
    at = f"{view.server} cid {view.cid}"
    for sub in view.subs:
        if sub.answers:
            yield Fact(what=f"delivered on {sub.subject}", value=sub.msgs_per_s, unit="1/s", at=at)
    yield Fact(what="sent by the service", value=view.in_msgs_per_s, unit="1/s", at=at)
