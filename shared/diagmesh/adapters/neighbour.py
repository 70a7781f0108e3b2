"""The neighbour: one instance of a watched service, its process found and found again, its recent past in a ring."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from diagmesh.adapters.godoor import door_of
from diagmesh.adapters.goruntime import NoGoRuntime, watch_of
from diagmesh.adapters.monitordoor import monitor_of
from diagmesh.adapters.natsdoor import NatsDoors, doors_of
from diagmesh.adapters.process import Process
from diagmesh.adapters.procfs import PROC
from diagmesh.adapters.ring import SampleRing
from diagmesh.adapters.streams import view_of
from diagmesh.adapters.tracked import Tracked
from diagmesh.adapters.ways import Nowhere, Way, way_of
from diagmesh.appnats import AppNats, NoAppNats
from diagmesh.contract.wire import Blind
from diagmesh.errors import NotRunning
from diagmesh.gopages import GoDoor
from diagmesh.goruntime import GoRuntime
from diagmesh.hostname import default_instance
from diagmesh.monitoring import MonitorDoor
from diagmesh.settings import TargetSettings
from diagmesh.target import MetConnections, Probe, Sighting, StreamsView

if TYPE_CHECKING:
    from diagmesh.adapters.racewatch import RaceWatch, Source

__all__ = ["Neighbour"]

_BEGIN_COUNT: Final = 20
_BEGIN_EVERY_S: Final = 0.5
"""The first samples of a process come at this pace, so that its growth can be judged after seconds."""
_LOG_EVERY_S: Final = 60.0
_log = logging.getLogger(__name__)


class Neighbour:
    """One instance of a watched service (`diagmesh.target.Target`).

    Its methods may be called from any thread. Without `run` it still finds its process, but keeps no past.

    Args:
        settings: how it is named and found.
        probes: its doors.
        way: how it is found, where the settings do not say it (its launcher does).
        at_hand: whether ``way`` names the process without a search just now.
        nats: the observer connection, where the settings give one.
        system: the connection to the system account of its nats-server, likewise.

    Raises:
        SettingsError: the way to find the process, or to its diagnostic pages, cannot be used.
    """

    def __init__(
        self,
        settings: TargetSettings,
        probes: Sequence[Probe] = (),
        *,
        root: str = PROC,
        way: Way | None = None,
        at_hand: Callable[[], bool] | None = None,
        nats: AppNats | None = None,
        system: AppNats | None = None,
    ) -> None:
        self._settings = settings
        self._probes = tuple(probes)
        self._instance = settings.instance or default_instance()
        self._way = way or way_of(settings, root)
        self._ring = SampleRing()
        self._tracked = Tracked(self._way, root, renewed=self._ring.clear, at_hand=at_hand)
        name = f"{settings.service}/{self._instance}"
        self._go = door_of(settings.go, name, f"{name}: go")
        self._race_log = settings.go.race_log if settings.go is not None else ""
        self._races: RaceWatch | None = None
        self._nats = nats or NoAppNats(name)
        self._go_watch = watch_of(self._go, lambda: self.process, name, settings.sample_s)
        self._go_runtime: GoRuntime = self._go_watch or NoGoRuntime(name)
        self._streams = view_of(self._nats, settings.streams)
        self._doors = doors_of(settings, name)
        self._met = MetConnections()
        self._monitor = monitor_of(settings.nats_server, name, f"{name}: nats_server", system)
        self._lock = threading.Lock()
        self._logged_at = -_LOG_EVERY_S
        self.sampler_errors = 0

    @property
    def service(self) -> str:
        """Its service name."""
        return self._settings.service

    @property
    def instance(self) -> str:
        """Its instance name."""
        return self._instance

    @property
    def looked_for(self) -> str:
        """How its process is found, in words; nothing is searched for that."""
        return self._way.words

    @property
    def probes(self) -> Sequence[Probe]:
        """Its doors."""
        return self._probes

    @property
    def ring(self) -> SampleRing:
        """Its recent past."""
        return self._ring

    @property
    def go(self) -> GoDoor:
        """The way to its diagnostic pages."""
        return self._go

    @property
    def go_runtime(self) -> GoRuntime:
        """Its Go runtime."""
        return self._go_runtime

    @property
    def races(self) -> "RaceWatch":
        """What its race detector reported; followed from the first time that somebody wants to know."""
        with self._lock:
            if self._races is None:
                from diagmesh.adapters.racewatch import RaceWatch  # noqa: PLC0415  for those who ask for races

                self._races = RaceWatch(self._race_log, self._captured(), self._whose)
            return self._races

    def _captured(self) -> "Source | None":
        """What it writes on standard error, where that is ours to read."""
        return None

    def _whose(self) -> tuple[int, int] | None:
        return self._tracked.identity if self.sighting().running else None

    @property
    def nats(self) -> AppNats:
        """The observer connection in the account of the application."""
        return self._nats

    @property
    def streams(self) -> StreamsView:
        """The streams and consumers that it uses."""
        return self._streams

    @property
    def nats_doors(self) -> NatsDoors | None:
        """The NATS servers that it should connect to."""
        return self._doors

    @property
    def met(self) -> MetConnections:
        """The NATS connections that it was seen with."""
        return self._met

    @property
    def monitor(self) -> MonitorDoor:
        """The way to its monitoring endpoint, if it is a nats-server."""
        return self._monitor

    @property
    def process(self) -> Process:
        """The process that fits now; raises `NotRunning` with the reason when none does."""
        return self._tracked.process()

    def sighting(self) -> Sighting:
        """Which process fits now: some microseconds while it lives.

        When it is gone a search follows, at most every half second; while `run` is at work it does the searching, so
        that the caller is not kept.
        """
        return self._tracked.sighting()

    def blind(self) -> Sequence[Blind]:
        """What cannot be seen at all: everything of the process, when the settings name none."""
        if isinstance(self._way, Nowhere):
            return (Blind(what="process", why="the settings name no process", fix=self._way.look().reason),)
        return ()

    async def run(self) -> None:
        """Search and sample at the pace of the settings until cancelled; nothing that goes wrong here ends it."""
        due = time.monotonic()
        with self._tracked.searched() as was_searched:
            while True:
                running = False
                try:
                    running = await asyncio.to_thread(self._tick)
                except Exception as error:  # noqa: BLE001  the past of the neighbour must outlive a bad moment
                    self._failed(error)
                was_searched()
                pace = self._pace_s(running=running)
                due = max(due + pace, time.monotonic())  # a late sample moves the later ones; none is made up for
                await asyncio.sleep(due - time.monotonic())

    @property
    def has_go_pages(self) -> bool:
        """Whether `watch_go` has anything to do."""
        return self._go_watch is not None

    async def watch_go(self) -> None:
        """Keep the past of its Go runtime until cancelled; returns at once where the settings name no page of it."""
        if self._go_watch is not None:
            await self._go_watch.run()

    def _pace_s(self, *, running: bool) -> float:
        """How long until the next search or sample."""
        if not running:
            return min(self._tracked.search_pause_s, self._settings.sample_s)
        if len(self._ring) < _BEGIN_COUNT:
            return min(_BEGIN_EVERY_S, self._settings.sample_s)
        return self._settings.sample_s

    def _tick(self) -> bool:
        if self._race_log:
            self.races.follow()
        found = self._tracked.look(search=True)
        if found is None:
            return False
        try:
            self._ring.add(found.sample())
        except NotRunning:
            return False
        return True

    def _failed(self, error: Exception) -> None:
        self.sampler_errors += 1
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _log.error(
                "a sample of %s/%s failed (%d so far): %s: %s",
                self.service,
                self.instance,
                self.sampler_errors,
                type(error).__name__,
                error,
            )
