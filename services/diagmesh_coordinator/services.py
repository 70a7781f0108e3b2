"""`diag.mesh.services`: who is there, who should be, who is missing and why."""

from collections.abc import Mapping, Sequence
from typing import Final

from diagmesh import __version__
from diagmesh.checking import selected
from diagmesh.contract.directory import (
    CoordinatorEntry,
    InstanceEntry,
    InstanceState,
    ServiceEntry,
    Services,
    ServicesQuestion,
)
from diagmesh.contract.mesh import Ended, MeshQuestion
from diagmesh.errors import Declined
from diagmesh.expected import Absence, Key
from diagmesh.gather import Selector, check_services, named
from diagmesh.roster import Known
from diagmesh.serve import Asked, Identity
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.fanout import gather_s

__all__ = ["KIND", "services"]

KIND: Final = "services"
_LOOK_AGE_S: Final = 1.0


async def services(directory: Directory, us: Identity, question: ServicesQuestion, asked: Asked) -> Services:
    """The directory, or a part of it.

    Raises:
        Declined: 404 for a service that is not known or labels that nobody has, except while warming; 400 for what
            is no name and no selector.
    """
    began = directory.now()
    not_back = await directory.not_back(asked.budget_s / 2)
    hoped = await directory.hoped(max(0.0, asked.budget_s / 2 - (directory.now() - began)))
    now = directory.now()
    roster, warming = directory.roster, directory.warming
    every = roster.services()
    check_services(question.services, every)
    selection = MeshQuestion(labels=question.labels)
    selector = Selector(selection)
    chosen = tuple(dict.fromkeys(question.services)) or every
    wrong = sorted({*chosen}.difference(every))
    if wrong and not warming:
        hint = f"services: {named(every)}"
        raise Declined(f"no such service: {named(wrong)}", code=404, error="unknown target", hint=hint)
    known = [one for service in chosen for one in roster.instances(service)]
    found = any(selector.means(one.key, one.labels) or one.labels_problem for one in known)
    if selector.by_labels and not found and not warming:
        raise selector.nobody(one.labels for one in known)
    # A sidecar that was killed a moment ago still counts as live by its heartbeats: its connection tells.
    left_s = gather_s(asked.budget_s) - (directory.now() - began)
    peers = directory.coordinators
    all_known = [one.expected(now) for one in (*known, *peers)]
    why = await directory.absences_within(left_s, all_known, now - _LOOK_AGE_S, not_back)
    down = not_back.keys() | {key for key, absence in why.items() if absence.state is InstanceState.NOT_CONNECTED}
    entries = tuple(
        ServiceEntry(
            service=service,
            instances=tuple(
                _entry(one, why.get(one.key), now, down=one.key in down) for one in roster.instances(service)
            ),
            declared=roster.declared(service),
            lacking=roster.lacking(service),
        )
        for service in chosen
    )
    live = sum(one.state is InstanceState.LIVE for entry in entries for one in entry.instances)
    unheard = hoped - {one.key for one in known}
    notes = (f"{len(unheard)} answered when asked, but were not heard of yet",) if unheard else ()
    whole = Services(
        services=entries,
        live=live,
        missing=sum(len(entry.instances) + entry.lacking for entry in entries) - live,
        kinds=tuple(sorted(directory.roster.kinds())),
        coordinators=_coordinators(peers.instances(us.service), why, us, now),
        coordinators_declared=peers.declared(us.service),
        coordinators_lacking=peers.lacking(us.service),
        ended=Ended.WARMING if warming else Ended.COMPLETE,
        problems=(*directory.problems(), *directory.unread(), *notes),
        registry=directory.registry.told(),
    )
    return selected(whole, selection)


def _where_it_stands(known: Known, absence: Absence | None, now: float, *, down: bool) -> tuple[InstanceState, str]:
    if absence is not None and (down or not known.live(now)):
        return absence.state, absence.detail
    return (InstanceState.LIVE, "") if known.live(now) else (InstanceState.UNKNOWN, "its heartbeats ended")


def _entry(known: Known, absence: Absence | None, now: float, *, down: bool) -> InstanceEntry:
    """One instance; ``down``: its connection tells more than its last heartbeat."""
    state, reason = _where_it_stands(known, absence, now, down=down)
    return InstanceEntry(
        instance=known.key.instance,
        state=state,
        reason=reason,
        boot=known.beat.boot,
        host=known.beat.host,
        server=known.beat.server,
        version=known.beat.version,
        kinds=known.beat.kinds,
        labels=known.beat.labels,
        labels_problem=known.labels_problem,
        last_seen=known.last_seen,
        interval_s=known.beat.interval_s,
        rivals=known.rivals(now),
    )


def _coordinators(
    known: Sequence[Known], why: Mapping[Key, Absence], us: Identity, now: float
) -> tuple[CoordinatorEntry, ...]:
    """Ourselves and the others, live or lost, by name: whoever is asked, the order is the same."""
    own = Key(us.service, us.instance)
    every = [_other(one, why.get(one.key), now) for one in known if one.key != own]
    every.append(CoordinatorEntry(instance=us.instance, boot=us.boot, host=us.host, version=__version__, self=True))
    return tuple(sorted(every, key=lambda one: one.instance))


def _other(known: Known, absence: Absence | None, now: float) -> CoordinatorEntry:
    down = absence is not None and absence.state is InstanceState.NOT_CONNECTED
    state, reason = _where_it_stands(known, absence, now, down=down)
    return CoordinatorEntry(
        instance=known.key.instance,
        boot=known.beat.boot,
        host=known.beat.host,
        server=known.beat.server,
        version=known.beat.version,
        last_seen=known.last_seen,
        state=state,
        reason=reason,
    )
