"""The sidecar: for each target a connection, the neighbour, and the member of the mesh that answers for it."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from diagmesh.accept import check_control, check_disabled, check_unique
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.observer import Observer
from diagmesh.adapters.probes import make_all
from diagmesh.alive import alive
from diagmesh.bus.nats import NatsBus
from diagmesh.declare import AgentSpec
from diagmesh.diagnose import Engine
from diagmesh.hostname import host_name
from diagmesh.member import Member, addresses_of_instance, new_boot
from diagmesh.own_log import OwnLog
from diagmesh.packs import Broken, load_agents, load_rules
from diagmesh.serve import AgentKinds, Identity
from diagmesh.settings import SidecarSettings, TargetSettings
from diagmesh.target import Probe
from diagmesh_agents._control import door
from diagmesh_agents._judging import judges_of
from diagmesh_agents._names import NameKeeper

if TYPE_CHECKING:
    from diagmesh_agents._launched import Launch

__all__ = ["serve"]

log = logging.getLogger("diagmesh.sidecar")

_DRAIN_S: Final = 5.0


class _Place:
    """One target with everything that serves it."""

    def __init__(
        self,
        settings: SidecarSettings,
        target: TargetSettings,
        agents: Collection[AgentSpec],
        engine: Engine,
        broken: Collection[Broken],
        launch: "Launch | None",
        own_log: OwnLog,
    ) -> None:
        name = f"{target.service}/{target.instance}"
        self.name = name
        self.bus = NatsBus(settings.connections.get(target.service, settings.nats), f"diag/{name}")
        self.observer = NatsBus(target.nats, f"diag-observer/{name}") if target.nats is not None else None
        server = target.nats_server
        given = server.system if server is not None else None
        self.system = NatsBus(given, f"diag-monitor/{name}") if given is not None else None
        probes = make_all(target.probes, self.observer, where=f"{name}: probes", instance=target.instance)
        self.neighbour = _neighbour(target, probes, (self.observer, self.system), launch)
        self._launch = launch
        self._identity = Identity(service=target.service, instance=target.instance, boot=new_boot(), host=host_name())
        self.member = Member(
            self.bus,
            self._identity,
            AgentKinds(agents, self.neighbour, judges_of(engine, target), broken),
            addresses_of_instance(target.service, target.instance),
            heartbeat_s=settings.heartbeat_s,
            concurrency=settings.concurrency,
            labels=target.labels,
        )
        self._door = door(self.bus, self._identity, settings, own_log, self.member.events.emit)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, stop: asyncio.Event) -> None:
        self.bus.start()
        for more in filter(None, (self.observer, self.system)):
            more.start()
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self.neighbour.run(), name=f"neighbour {self.name}"))
        if self.neighbour.has_go_pages:
            self._tasks.append(loop.create_task(self.neighbour.watch_go(), name=f"go runtime {self.name}"))
        if self.observer is not None:
            self._tasks.append(loop.create_task(self.neighbour.streams.watch(), name=f"streams {self.name}"))
        await self._door.start()
        await self.member.start()
        if self._launch is not None:
            from diagmesh_agents._launched import tell_exits  # noqa: PLC0415  a MiB that no other sidecar needs

            telling = tell_exits(self._launch, self.bus, self._identity, stop)
            self._tasks.append(loop.create_task(telling, name=f"exits {self.name}"))
        log.info("serving %s: %s", self.name, self.neighbour.looked_for)

    async def stop(self) -> None:
        await asyncio.gather(self._door.stop(_DRAIN_S), self.member.drain(_DRAIN_S))
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.bus.close()
        for more in filter(None, (self.observer, self.system)):
            await more.close()


def _neighbour(
    target: TargetSettings,
    probes: Sequence[Probe],
    more: tuple[NatsBus | None, NatsBus | None],
    launch: "Launch | None",
) -> Neighbour:
    nats, system = (Observer(one) if one is not None else None for one in more)
    if launch is None:
        return Neighbour(target, probes, nats=nats, system=system)
    from diagmesh_agents._launched import LaunchedNeighbour  # noqa: PLC0415  a MiB that no other sidecar needs

    return LaunchedNeighbour(target, probes, launch, nats=nats, system=system)


def _named(targets: Collection[TargetSettings], keeper: NameKeeper) -> list[TargetSettings]:
    """The targets, each with an instance name of its own."""
    named = [
        target if target.instance else msgspec.structs.replace(target, instance=keeper.take(target.service))
        for target in targets
    ]
    check_unique(named)
    return named


async def serve(settings: SidecarSettings, stop: asyncio.Event, launch: "Launch | None" = None) -> int:
    """Serve every target until ``stop``; a target whose process or server is away is served all the same.

    Args:
        settings: what to stand beside.
        stop: when to leave.
        launch: of our launcher, when the (one) target was started by it.

    Raises:
        SettingsError: a target or probe can never work, two targets have one name, or there is no such rule.
    """
    pack = load_agents()
    check_disabled(settings.disable, pack.agents)
    check_control(settings)
    agents = [spec for kind, spec in pack.agents.items() if kind not in settings.disable]
    engine = Engine(load_rules(), settings.rules)
    keeper, own_log = NameKeeper(), OwnLog()
    places: list[_Place] = []
    try:
        targets = tuple(
            msgspec.structs.replace(target, labels=settings.labels_of(target)) for target in settings.targets
        )
        if launch is not None:
            targets = tuple(msgspec.structs.replace(target, instance=launch.instance) for target in targets)
        places.extend(
            _Place(settings, target, agents, engine, pack.broken, launch, own_log) for target in _named(targets, keeper)
        )
        for place in places:
            await place.start(stop)
        # Under a launcher systemd listens to the service itself, not to us.
        async with alive(settings.alive_file, os.environ if launch is None else {}):
            await stop.wait()
        log.info("leaving: %s", ", ".join(place.name for place in places))
    finally:
        await asyncio.gather(*(place.stop() for place in places))
        own_log.restore()
        keeper.close()
    return 0
