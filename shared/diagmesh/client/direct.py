"""Ask the instances ourselves, with the coordinator's directory if there is one and by what can be learned if not."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from diagmesh.bus.core import Bus
from diagmesh.contract.directory import InstanceEntry, InstanceState, ServiceEntry, Services
from diagmesh.contract.mesh import Ended, MeshQuestion
from diagmesh.errors import Declined, Unavailable
from diagmesh.expected import Expected, Key
from diagmesh.gather import Ask, Plan, Selector, batches_of, choose, learn, share_s

__all__ = ["NO_COORDINATOR", "by_directory", "learned", "of_coordinators"]

NO_COORDINATOR: Final = "no coordinator answered: the instances were asked directly, and nobody knows who should answer"
_QUIET_S: Final = 0.3
Body = Callable[[float], bytes]
_LEARN_S: Final = 1.0


class _Entry:
    """One instance as a coordinator listed it: implements `diagmesh.gather.Listed`."""

    def __init__(self, service: str, entry: InstanceEntry) -> None:
        self.key = Key(service, entry.instance)
        self.labels = entry.labels
        self.labels_problem = entry.labels_problem
        self._entry = entry

    def expected(self, _: float, /) -> Expected:
        """What the coordinator said of it."""
        return Expected(
            key=self.key,
            live=self._entry.state is InstanceState.LIVE,
            last_seen=self._entry.last_seen,
            server=self._entry.server,
            interval_s=self._entry.interval_s or 0.0,
        )


class _Told:
    """A directory as a coordinator told it: implements `diagmesh.gather.Listing`."""

    def __init__(self, services: Services) -> None:
        self._services: dict[str, ServiceEntry] = {entry.service: entry for entry in services.services}

    def services(self) -> Sequence[str]:
        return sorted(self._services)

    def instances(self, service: str) -> Sequence[_Entry]:
        entry = self._services.get(service)
        return [_Entry(service, one) for one in entry.instances] if entry else []

    def declared(self, service: str) -> int | None:
        entry = self._services.get(service)
        return entry.declared if entry else None

    def lacking(self, service: str) -> int:
        entry = self._services.get(service)
        return entry.lacking if entry else 0


async def by_directory(
    bus: Bus, services: Services, selection: MeshQuestion, kind: str, body: Body, timeout_s: float
) -> Plan:
    """Whom to ask, by the directory of a coordinator: the same choice as the coordinator's own.

    Args:
        bus: our connection; while the coordinator is warming, whoever is there is asked for his name.
        services: the directory.
        selection: which part of it.
        kind: the question.
        body: its body for an agent that may take so long.
        timeout_s: the longest that all of it may take.

    Raises:
        Declined: the selection means nobody, or its batches do not fit into the time.
        BusError: the names could not be asked for.
    """
    began = time.monotonic()
    warming = services.ended is Ended.WARMING
    hoped = await learn(bus, kind, total_s=_learn_s(timeout_s)) if warming else frozenset[Key]()
    choice = choose(_Told(services), selection, hoped, began, warming=warming)
    left_s = _left_s(timeout_s, began)
    return choice.plan(kind, body(choice.share_s(left_s)), left_s)


def of_coordinators(services: Services, selection: MeshQuestion, kind: str, body: Body, timeout_s: float) -> Plan:
    """How the coordinators themselves are asked, by the list that one of them gave.

    Raises:
        Declined: the selection means none of them, or its batches do not fit into the time.
    """
    selector = Selector(selection)
    expected = tuple(
        Expected(
            key=Key("mesh", one.instance),
            live=one.state is InstanceState.LIVE,
            last_seen=one.last_seen,
            server=one.server,
        )
        for one in services.coordinators
    )
    chosen = tuple(one for one in expected if selector.means(one.key, {}))
    if selection.services or not chosen:
        names = ", ".join(one.key.instance for one in expected)
        raise Declined("no coordinator is meant by this selection", hint=f"instances: {names}")
    asks: tuple[Ask, ...] = (Ask(service="mesh"),)
    if selection.instances or selection.batch is not None:
        asks = tuple(Ask(service="mesh", instance=one.key.instance) for one in chosen)
    batches = batches_of([one.key for one in chosen], selection.batch) if selection.batch is not None else ()
    pause_s = selection.pause_ms / 1000
    return Plan(
        kind=kind,
        asks=asks,
        expected=chosen,
        body=body(share_s(len(batches), pause_s, timeout_s)),
        timeout_s=timeout_s,
        limit=selection.limit,
        batches=batches,
        pause_s=pause_s,
    )


async def learned(bus: Bus, selection: MeshQuestion, kind: str, body: Body, timeout_s: float) -> Plan:
    """Whom to ask, by who answers when everybody is asked, or by the names that the caller gave.

    Raises:
        Declined: the batches do not fit into the time.
        Unavailable: labels are selected by, which only a directory knows.
        BusError: the question could not be asked.
    """
    selector = Selector(selection)
    if selector.by_labels:
        raise Unavailable(
            "instances are selected by labels, and no coordinator answered: only its directory knows the labels",
            hint="start a coordinator, or select by services and instances",
        )
    began = time.monotonic()
    names = frozenset[Key]()
    if not selection.services or selection.batch is not None:
        names = await learn(bus, kind, total_s=_learn_s(timeout_s))
        wanted = frozenset(selection.services)
        names = frozenset(key for key in names if selector.names(key) and (not wanted or key.service in wanted))
    services = tuple(dict.fromkeys(selection.services)) or tuple(sorted({key.service for key in names}))
    asks = tuple(Ask(service=service) for service in services)
    batches = batches_of(sorted(names), selection.batch) if selection.batch is not None else ()
    if selection.instances and selection.services:
        asks = tuple(
            Ask(service=service, instance=one.rpartition("/")[2])
            for service in services
            for one in selection.instances
            if "/" not in one or one.startswith(f"{service}/")
        )
    elif selection.instances:
        asks = tuple(Ask(service=key.service, instance=key.instance) for key in sorted(names))
    left_s, pause_s = _left_s(timeout_s, began), selection.pause_ms / 1000
    return Plan(
        kind=kind,
        asks=asks if selection.batch is None else (),
        hoped=names,
        body=body(share_s(len(batches), pause_s, left_s)),
        batches=batches,
        pause_s=pause_s,
        timeout_s=left_s,
        limit=selection.limit,
        quiet_s=None if names else _QUIET_S,
        first_s=left_s,
    )


def _learn_s(timeout_s: float) -> float:
    return min(_LEARN_S, timeout_s / 2)


def _left_s(timeout_s: float, began: float) -> float:
    return max(0.1, timeout_s - (time.monotonic() - began))
