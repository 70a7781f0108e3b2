"""Several rounds of one question as one: who was asked in which of them makes no difference to what came."""

from collections.abc import Sequence
from typing import Final

from diagmesh.contract.mesh import Ended, NotAsked
from diagmesh.expected import Gathered, Key
from diagmesh.gather.plan import Plan

__all__ = ["Left", "merged"]

Left = tuple[Key, str]
"""Somebody who was not asked, and why."""
Part = tuple[float, Gathered]
"""One round, and how many seconds after the first it began."""

_MOST_UNEXPECTED: Final = 100


def merged(plan: Plan, parts: Sequence[Part], left: Sequence[Left], ended: Ended, took_s: float) -> Gathered:
    """What all rounds say together.

    Args:
        plan: of all of them.
        parts: what came of each.
        left: who was not asked in any.
        ended: why the asking stopped; complete when all were asked.
        took_s: from the first question to the end.
    """
    rounds = [one for _, one in parts]
    known = {one.key for one in plan.expected}
    not_asked = [
        *plan.not_asked,
        *(
            NotAsked(service=key.service, instance=key.instance, reason=why)
            for key, why in sorted(left)
            if key in known
        ),
    ]
    lacking = sum(one.count for one in plan.lacking) if not rounds else 0
    unexpected = [one for each in rounds for one in each.unexpected]
    notes = [*plan.notes, *(note for each in rounds for note in each.notes)]
    if len(unexpected) > _MOST_UNEXPECTED:
        notes.append(f"{len(unexpected) - _MOST_UNEXPECTED} further replies were not counted")
    return Gathered(
        kind=plan.kind,
        replies=[reply for each in rounds for reply in each.replies],
        silent=tuple(
            sorted((one for each in rounds for one in each.silent), key=lambda one: (one.service, one.instance))
        ),
        unnamed=sum(each.unnamed for each in rounds) + lacking,
        unexpected=tuple(unexpected[:_MOST_UNEXPECTED]),
        expected=sum(each.expected for each in rounds) + lacking + len(not_asked),
        newcomers=tuple(key for each in rounds for key in each.newcomers),
        not_waited_for=sum(each.not_waited_for for each in rounds),
        ended=_ended(plan, rounds, ended),
        took_s=took_s,
        notes=tuple(dict.fromkeys(notes)),
        asked_at=rounds[0].asked_at if rounds else None,
        arrived_s=[began + arrived for began, each in parts for arrived in each.arrived_s],
        rivals={key: rivals for each in rounds for key, rivals in each.rivals.items()},
        not_asked=tuple(not_asked),
    )


def _ended(plan: Plan, rounds: Sequence[Gathered], ended: Ended) -> Ended:
    """Whoever was given up in any round was given up; otherwise the last one tells."""
    last = rounds[-1].ended if rounds else ended
    why = ended if ended is not Ended.COMPLETE else last
    if why is Ended.COMPLETE and any(each.ended is Ended.TIMEOUT for each in rounds):
        why = Ended.TIMEOUT
    return Ended.WARMING if plan.warming and why not in (Ended.CONNECTION_LOST, Ended.INTERRUPTED) else why
