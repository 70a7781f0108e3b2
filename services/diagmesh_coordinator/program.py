"""The coordinator as a program: its connection, its directory, and what it answers; started and drained as one."""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
from collections.abc import Mapping
from typing import Final

from diagmesh.accept import FORGET, check_coordinator
from diagmesh.alive import alive
from diagmesh.bus.core import Bus, Store
from diagmesh.bus.nats import NatsBus
from diagmesh.bus.nats.bucket import Bucket
from diagmesh.bus.nats.objects import Objects
from diagmesh.control_door import ControlDoor
from diagmesh.hostname import default_instance, host_name
from diagmesh.member import Member, addresses_of_coordinator, new_boot
from diagmesh.own_log import OwnLog
from diagmesh.packs import RulePack, load_agents, load_rules
from diagmesh.serve import Identity
from diagmesh.settings import CoordinatorSettings
from diagmesh_coordinator.bundles import Shelf
from diagmesh_coordinator.coordinator import Itself
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.forget import forgetting
from diagmesh_coordinator.kinds import MeshKinds
from diagmesh_coordinator.measures import UNMEASURED, Measures
from diagmesh_coordinator.relay import Relay

__all__ = ["Running", "default_name", "serve"]

log = logging.getLogger("diagmesh.coordinator")

_DRAIN_S: Final = 5.0
_HOW: Final = (
    'in the settings of this coordinator: operators = ["U…"] with the public key of an operator,'
    ' control = ["forget", "log-level"] with what is allowed'
)
_GC_THRESHOLD: Final = 50_000
"""Large gathers make many objects at once; collecting after every 700 of them doubles the slowest answers."""


class Running:
    """One coordinator on a bus; the bus is made and closed by somebody else.

    Args:
        bus: a started bus.
        settings: of the coordinator.
        instance: its name.
        rules: what is checked; None for all that are installed.
        measures: who counts what it does.
        store: where the directory is kept beyond our own life; None for nowhere.
        shelf: where files go that no reply can carry; None for nowhere.

    Raises:
        SettingsError: the settings of the rules are wrong.
    """

    def __init__(
        self,
        bus: Bus,
        settings: CoordinatorSettings,
        instance: str,
        rules: RulePack | None = None,
        measures: Measures = UNMEASURED,
        *,
        store: Store | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self.directory = Directory(bus, settings, store=store, us=instance)
        self.identity = Identity(service="mesh", instance=instance, boot=new_boot(), host=host_name())
        self.itself = Itself(bus, self.directory, self.identity, settings)
        pack, found = load_agents(), rules or load_rules()
        self.member = Member(
            bus,
            self.identity,
            MeshKinds(bus, self.directory, self.itself, settings, pack, found, measures, shelf=shelf),
            addresses_of_coordinator(instance),
            heartbeat_s=settings.heartbeat_s,
            concurrency=settings.concurrency,
        )
        self.member.responder.observe = measures.asked
        self.itself.responder = self.member.responder
        self._own_log = OwnLog()
        # What may not be asked of us is not done on a way round either.
        believed = settings.operators if FORGET in settings.control else ()
        self._relay = Relay(bus, self.directory, self.identity, believed)
        self._control = ControlDoor(
            bus,
            self.identity,
            [forgetting(self.directory, self._relay.tell), self._own_log.kind],
            settings.operators,
            allowed=settings.control,
            how=_HOW,
            emit=self.member.events.emit,
        )

    async def start(self) -> None:
        """Hear before answering: the first question finds whoever has spoken by then."""
        self.itself.start()
        await self.directory.start()
        await self._relay.start()
        await self._control.start()
        await self.member.start()

    async def stop(self) -> None:
        """Leave on purpose; bounded."""
        await self._control.stop(_DRAIN_S)
        self._own_log.restore()
        await self._relay.stop()
        await self.member.drain(_DRAIN_S)
        await self.directory.stop()
        await self.itself.stop()


def default_name(environment: Mapping[str, str] = os.environ) -> str:
    """The pod's or the host's name, with a random suffix: several coordinators of a host must not share one."""
    return f"{default_instance(environment)[:50].rstrip('-')}-{secrets.token_hex(2)}"


async def serve(settings: CoordinatorSettings, stop: asyncio.Event) -> int:
    """Coordinate until ``stop``; a server that is away is waited for.

    Raises:
        SettingsError: the instance name, an operator's key or a setting of a rule is wrong.
    """
    check_coordinator(settings)
    instance = settings.instance or default_name()
    bus = NatsBus(settings.nats, f"diag/mesh/{instance}")
    async with contextlib.AsyncExitStack() as around:
        running = await _made(bus, settings, instance, around)
        bus.start()
        around.push_async_callback(bus.close)
        await running.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        log.info("coordinating as mesh/%s", instance)
        async with alive(settings.alive_file):
            await stop.wait()
        log.info("leaving: mesh/%s", instance)
        await running.stop()
    return 0


async def _made(
    bus: NatsBus, settings: CoordinatorSettings, instance: str, around: contextlib.AsyncExitStack
) -> Running:
    """The coordinator, counted and told of where the settings want it."""
    store = Bucket(bus, settings.registry.bucket)
    shelf = Objects(bus) if settings.registry.keep != "off" else None
    if not settings.metrics:
        return Running(bus, settings, instance, store=store, shelf=shelf)
    from diagmesh_coordinator.metrics import Metrics  # noqa: PLC0415  its library only where it is used
    from diagmesh_coordinator.metrics_sources import Sources  # noqa: PLC0415
    from diagmesh_coordinator.telling import Telling  # noqa: PLC0415

    metrics = Metrics()
    running = Running(bus, settings, instance, measures=metrics, store=store, shelf=shelf)
    metrics.read(Sources(bus, running.directory, running.member, settings.concurrency))
    await around.enter_async_context(Telling(metrics, bus, settings.metrics))
    return running
