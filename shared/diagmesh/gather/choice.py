"""Whom a selection means, by a directory; a selection that means nobody is refused, not answered with nothing."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from diagmesh.contract.mesh import MeshQuestion
from diagmesh.errors import Declined
from diagmesh.expected import Expected, Key, label
from diagmesh.gather.plan import Ask, Lacking, Plan, asks_for
from diagmesh.gather.selection import check_instances, check_services, named

__all__ = ["Choice", "Listed", "Listing", "choose", "means"]


class Listed(Protocol):
    """One instance as a directory lists it."""

    @property
    def key(self) -> Key:
        """Which one."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """What its sidecar's settings say of it."""
        ...

    def expected(self, now: float, /) -> Expected:
        """What a gather needs to know of it."""
        ...


class Listing(Protocol):
    """A directory: one's own (`diagmesh.roster.Roster`), or a coordinator's as it told it."""

    def services(self) -> Collection[str]:
        """All service names, sorted: known, or declared with replicas."""
        ...

    def instances(self, service: str) -> Sequence[Listed]:
        """The known instances of one service."""
        ...

    def declared(self, service: str) -> int | None:
        """How many instances there should be; None when nobody says."""
        ...

    def lacking(self, service: str) -> int:
        """How many of the declared were never seen."""
        ...


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked.

    Args:
        asks: the questions to publish.
        expected: who should answer.
        hoped: names learned while warming.
        lacking: declared replicas that were never seen.
        warming: whether others may belong to the selection who were not heard yet.
        limit: stop after so many replies.
    """

    asks: tuple[Ask, ...]
    expected: tuple[Expected, ...]
    hoped: frozenset[Key]
    lacking: tuple[Lacking, ...]
    warming: bool
    limit: int | None

    def plan(self, kind: str, body: bytes, timeout_s: float) -> Plan:
        """The round that asks them."""
        return Plan(
            kind=kind,
            asks=self.asks,
            expected=self.expected,
            hoped=self.hoped,
            lacking=self.lacking,
            warming=self.warming,
            body=body,
            timeout_s=timeout_s,
            limit=self.limit,
        )


def choose(listing: Listing, selection: MeshQuestion, hoped: frozenset[Key], now: float, *, warming: bool) -> Choice:
    """Whom a selection means.

    Args:
        listing: who is known.
        selection: of a mesh question.
        hoped: names that were learned but not heard yet.
        now: monotonic seconds, by the clock of the listing.
        warming: whether unknown names may belong to somebody who was not heard yet.

    Raises:
        Declined: 404, naming what is not known and what is; 400 for what is no name.
    """
    check_services(selection.services, listing.services())
    check_instances(selection.instances)
    services = tuple(dict.fromkeys(selection.services)) or tuple(
        sorted({*listing.services(), *(key.service for key in hoped)})
    )
    known = [one for service in services for one in listing.instances(service)]
    everybody = not selection.instances and not selection.labels
    chosen = known if everybody else [one for one in known if means(selection, one.key, one.labels)]
    hopeful = hoped and frozenset(
        # What is only hoped for has no labels that anybody knows.
        key
        for key in hoped - {one.key for one in known}
        if key.service in services and means(selection, key, {})
    )
    if not warming:
        _check(listing, selection, chosen)
    return Choice(
        # Everybody: also services of which no instance is known, declared or named before we heard of them.
        asks=tuple(Ask(service=service) for service in services) if everybody else _some(listing, chosen, hopeful),
        expected=tuple(one.expected(now) for one in chosen),
        hoped=hopeful,
        lacking=_lacking(listing, services) if everybody else (),
        warming=warming,
        limit=selection.limit,
    )


def means(selection: MeshQuestion, key: Key, labels: Mapping[str, str]) -> bool:
    """Whether a selection means this instance of a chosen service (``i1`` or ``orders/i1``; all of the labels)."""
    if selection.instances and key.instance not in selection.instances and label(key) not in selection.instances:
        return False
    return all(labels.get(name) == value for name, value in selection.labels.items())


def _some(listing: Listing, chosen: Sequence[Listed], hopeful: frozenset[Key]) -> tuple[Ask, ...]:
    # Of a service with hoped-for instances nobody knows how many there are, so a selection never means all of it.
    unsure = {key.service for key in hopeful}
    services = {one.key.service for one in chosen} | unsure
    totals = {service: math.inf if service in unsure else len(listing.instances(service)) for service in services}
    return asks_for([*(one.key for one in chosen), *hopeful], totals)


def _check(listing: Listing, selection: MeshQuestion, chosen: Sequence[Listed]) -> None:
    known = listing.services()
    if wrong := [service for service in selection.services if service not in known]:
        raise _unknown(f"no such service: {named(wrong)}", f"services: {named(known)}")
    names = (
        {name for one in chosen for name in (one.key.instance, label(one.key))} if selection.instances else set[str]()
    )
    if wrong := [instance for instance in selection.instances if instance not in names]:
        raise _unknown(f"no such instance in this selection: {named(wrong)}", "see diag.mesh.services")
    if selection.labels and not chosen:
        raise _unknown("nobody in this selection has all of these labels", "see diag.mesh.services")


def _unknown(detail: str, hint: str) -> Declined:
    return Declined(detail, code=404, error="unknown target", hint=hint)


def _lacking(listing: Listing, services: Sequence[str]) -> tuple[Lacking, ...]:
    return tuple(
        Lacking(service=service, count=count, declared=listing.declared(service) or count)
        for service in services
        if (count := listing.lacking(service))
    )
