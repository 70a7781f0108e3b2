"""What came of a round: who was silent and why, who was never there, and what limits what this says."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from diagmesh.contract.directory import InstanceState
from diagmesh.contract.mesh import Ended, Silent
from diagmesh.expected import Absence, Gathered, Key
from diagmesh.gather.plan import Ask, Lacking, Plan
from diagmesh.gather.tally import Tally

__all__ = ["sum_up", "unheard", "with_unread"]

_OURS: Final = (Ended.CONNECTION_LOST, Ended.INTERRUPTED)
_BECAUSE: Final = {Ended.LIMIT: "the limit was reached", Ended.INTERRUPTED: "it was interrupted"}
_MOST_LACKING: Final = 1000
"""Replicas that were never seen have no names: so many are listed, all are counted."""


def unheard(tally: Tally) -> set[Key]:
    """The expected of whom no reply was counted."""
    if tally.complete:  # nearly always, and this is asked for everybody at each question
        return set()
    return tally.known.keys() - tally.heard.keys()


def with_unread(known: Absence | None, reason: str) -> Absence:
    """Why somebody counts as silent whose reply came and cannot be read; that he is gone explains half a reply."""
    if known is not None and known.state is InstanceState.NOT_CONNECTED:
        return Absence(known.state, f"{known.detail}; {reason}")
    return Absence(InstanceState.UNKNOWN, reason)


def sum_up(
    plan: Plan,
    tally: Tally,
    *,
    ended: Ended,
    why: Mapping[Key, Absence],
    deaf: Collection[Ask],
    notes: Sequence[str],
    took_s: float,
) -> Gathered:
    """Everything that came of a round.

    Args:
        plan: what was asked whom.
        tally: what came.
        ended: why it stopped.
        why: the reasons that were found for those who were not heard.
        deaf: the questions that nobody listened for.
        notes: what went wrong on the way.
        took_s: from the first question to the end.
    """
    told = ended in (Ended.COMPLETE, Ended.TIMEOUT)
    missing = unheard(tally)
    lacking = sum(one.count for one in plan.lacking)
    named = _lacking(plan.lacking)
    return Gathered(
        kind=plan.kind,
        replies=tally.replies,
        # Replicas that were never seen are silent however the round ended: nobody had to be asked to know it.
        silent=(*(_silent(plan, missing, why, deaf) if told else ()), *named),
        unnamed=lacking - len(named),
        unexpected=tuple(tally.unexpected),
        expected=len(plan.expected) + len(tally.newcomers) + lacking + len(plan.not_asked),
        newcomers=tuple(tally.newcomers),
        not_waited_for=0 if told else len(missing),
        ended=Ended.WARMING if plan.warming and ended not in _OURS else ended,
        took_s=took_s,
        asked_at=tally.asked_at,
        arrived_s=tally.arrived_s,
        rivals=tally.rivals,
        not_asked=plan.not_asked,
        notes=(
            *plan.notes,
            *dict.fromkeys(notes),
            *tally.notes(),
            *_limits(plan, tally, ended, 0 if told else len(missing)),
        ),
    )


def _limits(plan: Plan, tally: Tally, ended: Ended, not_waited_for: int) -> list[str]:
    notes = []
    if not_waited_for:
        because = _BECAUSE.get(ended, "our own connection was lost")
        notes.append(f"{not_waited_for} expected were not heard because {because}; that says nothing about them")
    if (more := sum(one.count for one in plan.lacking) - _MOST_LACKING) > 0:
        notes.append(f"{more} of the declared replicas are not named among the silent; they are counted")
    nobody = not plan.expected and not plan.hoped and not tally.replies and not plan.not_asked
    if nobody and not plan.warming and plan.quiet_s is None:
        notes.append("nobody is known: no sidecar was heard of (is one running, on this server?)")
    return notes


def _silent(
    plan: Plan, missing: Collection[Key], why: Mapping[Key, Absence], deaf: Collection[Ask]
) -> tuple[Silent, ...]:
    if not missing:
        return ()
    deaf_services = {ask.service for ask in deaf if not ask.instance}
    deaf_keys = {Key(ask.service, ask.instance) for ask in deaf}
    last_seen = {one.key: one.last_seen for one in plan.expected}
    silent = []
    for key in sorted(missing):
        reason = _reason(why.get(key), key.service in deaf_services or key in deaf_keys)
        silent.append(Silent(service=key.service, instance=key.instance, reason=str(reason), last_seen=last_seen[key]))
    return tuple(silent)


def _reason(absence: Absence | None, deaf: bool) -> Absence:
    if deaf and (absence is None or absence.state is InstanceState.SILENT):
        where = "is connected, but " if absence is not None else "was not found: "
        return Absence(InstanceState.UNKNOWN, f"its sidecar {where}nobody listens for this question")
    return absence or Absence(InstanceState.UNKNOWN, "its connection could not be looked up in time")


def _lacking(lacking: Sequence[Lacking]) -> tuple[Silent, ...]:
    named: list[Silent] = []
    for one in lacking:
        verb = "replicas is" if one.count == 1 else "replicas are"
        reason = f"{one.count} of {one.declared} declared {verb} missing (never heard of, left, or forgotten)"
        silent = Silent(service=one.service, instance="", reason=str(Absence(InstanceState.NOT_CONNECTED, reason)))
        named += [silent] * min(one.count, _MOST_LACKING - len(named))
    return tuple(named)
