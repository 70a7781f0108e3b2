"""Ask the instances ourselves, with the coordinator's directory if there is one and by what can be learned if not."""

import time
from typing import Final

from diagmesh.bus.core import Bus
from diagmesh.contract.mesh import InstanceEntry, InstanceState, Selection, ServiceEntry, Services
from diagmesh.expected import Expected, Key, label
from diagmesh.gather import Ask, Plan, asks_for, learn

__all__ = ["NO_COORDINATOR", "from_directory", "learned"]

NO_COORDINATOR: Final = "no coordinator answered: the instances were asked directly, and nobody knows who should answer"
_QUIET_S: Final = 0.3


def from_directory(services: Services, selection: Selection, kind: str, body: bytes, timeout_s: float) -> Plan:
    """Whom to ask, by the directory of a coordinator.

    Args:
        services: the directory.
        selection: which part of it.
        kind: the question.
        body: its body.
        timeout_s: the longest that the gather may take.
    """
    chosen = [
        (entry, one)
        for entry in services.services
        if not selection.services or entry.service in selection.services
        for one in entry.instances
        if _fits(entry, one, selection)
    ]
    totals = {entry.service: len(entry.instances) for entry in services.services}
    expected = tuple(_expected(entry, one) for entry, one in chosen)
    return Plan(
        kind=kind,
        asks=asks_for([one.key for one in expected], totals),
        expected=expected,
        body=body,
        timeout_s=timeout_s,
        limit=selection.limit,
    )


async def learned(bus: Bus, selection: Selection, kind: str, body: bytes, timeout_s: float) -> Plan:
    """Whom to ask, by who answers when everybody is asked, or by the names that the caller gave.

    Labels are known to the directory only, so they cannot be selected by here.

    Raises:
        BusError: the question could not be asked.
    """
    began = time.monotonic()
    names = frozenset[Key]()
    if not selection.services:
        names = await learn(bus, kind, total_s=min(1.0, timeout_s / 2))
        names = frozenset(
            key for key in names if not selection.instances or {key.instance, label(key)} & {*selection.instances}
        )
    services = selection.services or tuple(sorted({key.service for key in names}))
    asks = tuple(Ask(service=service) for service in services)
    if selection.instances and selection.services:
        asks = tuple(
            Ask(service=service, instance=one.rpartition("/")[2])
            for service in services
            for one in selection.instances
            if "/" not in one or one.startswith(f"{service}/")
        )
    elif selection.instances:
        asks = tuple(Ask(service=key.service, instance=key.instance) for key in sorted(names))
    left_s = max(0.1, timeout_s - (time.monotonic() - began))
    return Plan(
        kind=kind,
        asks=asks,
        hoped=names,
        body=body,
        timeout_s=left_s,
        limit=selection.limit,
        quiet_s=None if names else _QUIET_S,
        first_s=left_s,
    )


def _fits(entry: ServiceEntry, one: InstanceEntry, selection: Selection) -> bool:
    if selection.instances and not {one.instance, f"{entry.service}/{one.instance}"} & {*selection.instances}:
        return False
    return all(one.labels.get(name) == value for name, value in selection.labels.items())


def _expected(entry: ServiceEntry, one: InstanceEntry) -> Expected:
    return Expected(
        key=Key(entry.service, one.instance),
        live=one.state is InstanceState.LIVE,
        last_seen=one.last_seen,
        server=one.server,
    )
