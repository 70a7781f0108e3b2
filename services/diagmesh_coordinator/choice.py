"""Whom a selection means, by the directory; a selection that means nobody is refused, not answered with nothing."""

import math
from typing import Final

import msgspec

from diagmesh.contract.mesh import InstanceState, MeshQuestion, Silent
from diagmesh.contract.names import check_token
from diagmesh.errors import BadName, Declined
from diagmesh.expected import Absence, Expected, Key, label
from diagmesh.gather import Ask, asks_for
from diagmesh.roster import Known, Roster, expected, fits

__all__ = ["Choice", "choose"]

_MOST_NAMED: Final = 20
_MOST_LACKING: Final = 1000


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked.

    Args:
        asks: the questions to publish.
        expected: who should answer.
        hoped: names learned while warming.
        lacking: one entry per declared replica that was never seen.
    """

    asks: tuple[Ask, ...]
    expected: tuple[Expected, ...]
    hoped: frozenset[Key]
    lacking: tuple[Silent, ...]


def choose(roster: Roster, question: MeshQuestion, hoped: frozenset[Key], now: float, *, warming: bool) -> Choice:
    """Whom the selection of a question means.

    Args:
        roster: who is known.
        question: with the selection.
        hoped: names that were learned but not heard yet.
        now: monotonic seconds.
        warming: whether unknown names may belong to somebody who was not heard yet.

    Raises:
        Declined: 404, naming what is not known and what is; 400 for what is no name.
    """
    for service in question.services:
        _check_name(service)
    services = tuple(dict.fromkeys(question.services)) or tuple(
        sorted({*roster.services(), *(key.service for key in hoped)})
    )
    known = [one for service in services for one in roster.instances(service)]
    everybody = not question.instances and not question.labels
    chosen = known if everybody else [one for one in known if fits(one, question.instances, question.labels)]
    hopeful = hoped and frozenset(
        key for key in hoped - {one.key for one in known} if key.service in services and _means(question, key)
    )
    if not warming:
        _check(roster, question, chosen)
    return Choice(
        # Everybody: also services of which no instance is known, declared or named before we heard of them.
        asks=tuple(Ask(service=service) for service in services) if everybody else _some(roster, chosen, hopeful),
        expected=tuple(expected(one, now) for one in chosen),
        hoped=hopeful,
        lacking=_lacking(roster, services) if everybody else (),
    )


def _some(roster: Roster, chosen: list[Known], hopeful: frozenset[Key]) -> tuple[Ask, ...]:
    # Of a service with hoped-for instances nobody knows how many there are, so a selection never means all of it.
    unsure = {key.service for key in hopeful}
    services = {one.key.service for one in chosen} | unsure
    totals = {service: math.inf if service in unsure else roster.count(service) for service in services}
    return asks_for([*(one.key for one in chosen), *hopeful], totals)


def _means(question: MeshQuestion, key: Key) -> bool:
    return not question.labels and (not question.instances or bool({key.instance, label(key)} & {*question.instances}))


def _check(roster: Roster, question: MeshQuestion, chosen: list[Known]) -> None:
    known = roster.services()
    if wrong := [service for service in question.services if service not in known]:
        raise _unknown(f"no such service: {_named(wrong)}", f"services: {_named(known)}")
    names = (
        {name for one in chosen for name in (one.key.instance, label(one.key))} if question.instances else set[str]()
    )
    if wrong := [instance for instance in question.instances if instance not in names]:
        raise _unknown(f"no such instance in this selection: {_named(wrong)}", "see diag.mesh.services")
    if question.labels and not chosen:
        raise _unknown("nobody in this selection has all of these labels", "see diag.mesh.services")


def _check_name(service: str) -> None:
    try:
        check_token(service, "service")
    except BadName as error:
        raise Declined(f"services: {error}"[:300]) from None


def _unknown(detail: str, hint: str) -> Declined:
    return Declined(detail, code=404, error="unknown target", hint=hint)


def _named(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(name[:63] for name in names[:_MOST_NAMED]) or "none") + more


def _lacking(roster: Roster, services: tuple[str, ...]) -> tuple[Silent, ...]:
    missing: list[Silent] = []
    for service in services:
        reason = f"{roster.declared(service)} replicas are declared and this one was never heard of"
        one = Silent(service=service, instance="", reason=str(Absence(InstanceState.NOT_CONNECTED, reason)))
        missing += [one] * roster.lacking(service)
    return tuple(missing[:_MOST_LACKING])
