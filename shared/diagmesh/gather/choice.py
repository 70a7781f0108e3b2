"""Whom a selection means, by a directory; a selection that means nobody is refused, not answered with nothing."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from diagmesh.contract.mesh import MeshQuestion, NotAsked
from diagmesh.errors import Declined
from diagmesh.expected import Expected, Key, label
from diagmesh.gather.batches import batches_of, share_s
from diagmesh.gather.plan import Ask, Lacking, Plan
from diagmesh.gather.selection import Selector, check_services, named

__all__ = ["Choice", "Listed", "Listing", "choose"]


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

    @property
    def labels_problem(self) -> str:
        """Why its labels are not known; empty when they are."""
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
        not_asked: who may belong to the selection, and why nobody knows it.
        notes: what limits the choice.
        batches: who is asked together; none: all at once.
        pause_s: between two batches.
    """

    asks: tuple[Ask, ...]
    expected: tuple[Expected, ...]
    hoped: frozenset[Key]
    lacking: tuple[Lacking, ...]
    warming: bool
    limit: int | None
    not_asked: tuple[NotAsked, ...] = ()
    notes: tuple[str, ...] = ()
    batches: tuple[tuple[Key, ...], ...] = ()
    pause_s: float = 0.0

    def share_s(self, timeout_s: float) -> float:
        """How long one instance may take, where the whole round may take so long.

        Raises:
            Declined: 400, the batches do not fit into it.
        """
        return share_s(len(self.batches), self.pause_s, timeout_s)

    def round_s(self, timeout_s: float, rounds: int, rest_s: float) -> float:
        """How long each of several rounds may take: all at the same time, or one after the other where batches go.

        Raises:
            Declined: 400, the batches of all of them do not fit into it.
        """
        count = len(self.batches)
        if not count:
            return timeout_s
        return count * share_s(count * rounds, self.pause_s, timeout_s, rest_s) + (count - 1) * self.pause_s

    def without(self, keys: Collection[Key]) -> "Choice":
        """The same where these are not expected, and in batches not asked either."""
        kept = (tuple(key for key in batch if key not in keys) for batch in self.batches)
        return msgspec.structs.replace(
            self,
            expected=tuple(one for one in self.expected if one.key not in keys),
            batches=tuple(batch for batch in kept if batch),
        )

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
            not_asked=self.not_asked,
            notes=self.notes,
            batches=self.batches,
            pause_s=self.pause_s,
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
    every = frozenset(listing.services())  # once: a question may name thousands
    check_services(selection.services, every)
    selector = Selector(selection)
    services = tuple(dict.fromkeys(selection.services)) or tuple(sorted(every.union(key.service for key in hoped)))
    known = [one for service in services for one in listing.instances(service)]
    candidates = known if selector.everybody else [one for one in known if selector.names(one.key)]
    unsure = [one for one in candidates if one.labels_problem] if selector.by_labels else []
    sure = [one for one in candidates if not one.labels_problem] if unsure else candidates
    chosen = sure if selector.everybody else [one for one in sure if selector.means(one.key, one.labels)]
    meant = frozenset(services)
    hopeful = hoped and frozenset(
        key for key in hoped - {one.key for one in known} if key.service in meant and selector.names(key)
    )
    if not warming:
        _check(every, selection, [*chosen, *unsure])
        if selector.by_labels and not chosen and not unsure:
            raise selector.nobody(one.labels for one in candidates)
    asked = frozenset[Key]() if selector.by_labels else hopeful
    keys = [*(one.key for one in chosen), *asked]
    return Choice(
        # Everybody: also services of which no instance is known, declared or named before we heard of them. Of a
        # selection nobody else may be asked, so each by name: whoever has just come is on the subject of all, too.
        asks=_all_of(services) if selector.everybody and selection.batch is None else _each_of(keys),
        batches=batches_of(keys, selection.batch) if selection.batch is not None else (),
        pause_s=selection.pause_ms / 1000,
        expected=tuple(one.expected(now) for one in chosen),
        hoped=asked,
        lacking=_lacking(listing, services) if selector.everybody else (),
        warming=warming,
        limit=selection.limit,
        not_asked=tuple(_unsure(one) for one in unsure),
        notes=_unlabelled(hopeful - asked),
    )


def _all_of(services: Sequence[str]) -> tuple[Ask, ...]:
    return tuple(Ask(service=service) for service in services)


def _each_of(keys: Sequence[Key]) -> tuple[Ask, ...]:
    return tuple(Ask(service=key.service, instance=key.instance) for key in sorted(keys))


def _unsure(one: Listed) -> NotAsked:
    reason = f"nobody knows whether it is meant: its labels are not known ({one.labels_problem})"
    return NotAsked(service=one.key.service, instance=one.key.instance, reason=reason)


def _unlabelled(keys: Collection[Key]) -> tuple[str, ...]:
    """What is only hoped for has no labels that anybody knows."""
    if not keys:
        return ()
    return (f"not asked, because their labels were not heard yet: {named([label(key) for key in sorted(keys)])}",)


def _check(known: Collection[str], selection: MeshQuestion, chosen: Sequence[Listed]) -> None:
    if wrong := [service for service in selection.services if service not in known]:
        raise _unknown(f"no such service: {named(wrong)}", f"services: {named(sorted(known))}")
    names = (
        {name for one in chosen for name in (one.key.instance, label(one.key))} if selection.instances else set[str]()
    )
    if wrong := [instance for instance in selection.instances if instance not in names]:
        raise _unknown(f"no such instance in this selection: {named(wrong)}", "see diag.mesh.services")


def _unknown(detail: str, hint: str) -> Declined:
    return Declined(detail, code=404, error="unknown target", hint=hint)


def _lacking(listing: Listing, services: Sequence[str]) -> tuple[Lacking, ...]:
    return tuple(
        Lacking(service=service, count=count, declared=listing.declared(service) or count)
        for service in services
        if (count := listing.lacking(service))
    )
