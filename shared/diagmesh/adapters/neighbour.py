"""The neighbour: one instance of a watched service, its process found and found again, its recent past in a ring."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from diagmesh.adapters.find import Found, find
from diagmesh.adapters.godoor import door_of
from diagmesh.adapters.goruntime import NoGoRuntime, watch_of
from diagmesh.adapters.monitordoor import monitor_of
from diagmesh.adapters.natsdoor import NatsDoors, doors_of
from diagmesh.adapters.process import Process
from diagmesh.adapters.procfs import PROC
from diagmesh.adapters.ring import SampleRing
from diagmesh.adapters.streams import view_of
from diagmesh.adapters.ways import Nowhere, Way, way_of
from diagmesh.appnats import AppNats, NoAppNats
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.wire import Blind
from diagmesh.errors import NotRunning, Unreadable
from diagmesh.gopages import GoDoor
from diagmesh.goruntime import GoRuntime
from diagmesh.hostname import default_instance
from diagmesh.monitoring import MonitorDoor
from diagmesh.settings import TargetSettings
from diagmesh.target import MetConnections, Probe, Sighting, StreamsView

if TYPE_CHECKING:
    from diagmesh.adapters.racewatch import RaceWatch, Source

__all__ = ["Neighbour"]

SEARCH_EVERY_S: Final = 0.5
_SEARCH_REST: Final = 50.0
"""After a search that took t seconds the next one waits for 50 t: at most a fiftieth of a core on a crowded machine."""
_SEARCH_LATEST_S: Final = 10.0
_BEGIN_COUNT: Final = 20
_BEGIN_EVERY_S: Final = 0.5
"""The first samples of a process come at this pace, so that its growth can be judged after seconds."""
_LATELY_S: Final = 3600.0
_RESTARTS_KEPT: Final = 100
_LOG_EVERY_S: Final = 60.0
_log = logging.getLogger(__name__)


class Neighbour:
    """One instance of a watched service (`diagmesh.target.Target`).

    Its methods may be called from any thread. Without `run` it still finds its process, but keeps no past.

    Args:
        settings: how it is named and found.
        probes: its doors.
        way: how it is found, where the settings do not say it (its launcher does).
        nats: the observer connection, where the settings give one.

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
        nats: AppNats | None = None,
    ) -> None:
        self._settings = settings
        self._probes = tuple(probes)
        self._instance = settings.instance or default_instance()
        self._root = root
        self._way = way or way_of(settings, root)
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
        self._monitor = monitor_of(settings.nats_server, name, f"{name}: nats_server")
        self._lock = threading.RLock()
        self._process: Process | None = None
        self._state: ProcessState | None = None
        self._identity: tuple[int, int] | None = None
        self._reason = ""
        self._ended = ""
        self._hidden = False
        self._restarts = 0
        self._restarted_at: deque[float] = deque(maxlen=_RESTARTS_KEPT)
        self._last_seen: datetime | None = None
        self._searched_at = -_SEARCH_LATEST_S
        self._search_pause_s = SEARCH_EVERY_S
        self._searching_elsewhere = False
        self._ring = SampleRing()
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
        return self._identity if self.sighting().running else None

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
        found = self._look(search=self._may_search())
        if found is None:
            raise NotRunning(f"looked for {self._way.words}: {self._why()}")
        return found

    def sighting(self) -> Sighting:
        """Which process fits now: some microseconds while it lives.

        When it is gone a search follows, at most every half second; while `run` is at work it does the searching, so
        that the caller is not kept.
        """
        with self._lock:
            found = self._look(search=False)
            state = self._state
        if found is None and self._may_search():
            found, state = self._look(search=True), None
        with self._lock:
            return Sighting(
                looked_for=self._way.words,
                running=found is not None,
                pid=found.pid if found else 0,
                started_at=found.started_at if found else None,
                restarts_seen=self._restarts,
                restarts_lately=sum(time.monotonic() - at < _LATELY_S for at in self._restarted_at),
                last_seen=self._last_seen,
                reason=self._reason if found else self._why(),
                hidden=found is None and self._hidden,
                state=state if found else None,
            )

    def blind(self) -> Sequence[Blind]:
        """What cannot be seen at all: everything of the process, when the settings name none."""
        if isinstance(self._way, Nowhere):
            return (Blind(what="process", why="the settings name no process", fix=self._way.look().reason),)
        return ()

    async def run(self) -> None:
        """Search and sample at the pace of the settings until cancelled; nothing that goes wrong here ends it."""
        self._searching_elsewhere = self._searched_at > 0
        due = time.monotonic()
        try:
            while True:
                running = False
                try:
                    running = await asyncio.to_thread(self._tick)
                except Exception as error:  # noqa: BLE001  the past of the neighbour must outlive a bad moment
                    self._failed(error)
                self._searching_elsewhere = True
                pace = self._pace_s(running=running)
                due = max(due + pace, time.monotonic())  # a late sample moves the later ones; none is made up for
                await asyncio.sleep(due - time.monotonic())
        finally:
            self._searching_elsewhere = False

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
            return min(self._search_pause_s, self._settings.sample_s)
        if len(self._ring) < _BEGIN_COUNT:
            return min(_BEGIN_EVERY_S, self._settings.sample_s)
        return self._settings.sample_s

    def _tick(self) -> bool:
        if self._race_log:
            self.races.follow()
        found = self._look(search=True)
        if found is None:
            return False
        try:
            self._ring.add(found.sample())
        except NotRunning:
            return False
        return True

    def _look(self, *, search: bool) -> Process | None:
        """The process that fits; with ``search`` whatever that takes, else only what is known."""
        with self._lock:
            known = self._known()
            if known is not None or not search:
                return known
            self._searched_at = time.monotonic()
        started = time.monotonic()
        found = find(self._way, self._root)  # without the lock: whoever asks meanwhile must not wait for a search
        rest_s = _SEARCH_REST * (time.monotonic() - started)
        with self._lock:
            self._search_pause_s = min(max(SEARCH_EVERY_S, rest_s), _SEARCH_LATEST_S)
            return self._adopt(found)

    def _known(self) -> Process | None:
        if self._process is None:
            return None
        try:
            self._state = self._process.state()
        except NotRunning as gone:
            self._ended, self._process = str(gone), None
        except Unreadable as refusal:
            self._ended, self._hidden, self._process = str(refusal), True, None
        else:
            self._last_seen = datetime.now(UTC)
        return self._process

    def _may_search(self) -> bool:
        return not self._searching_elsewhere and time.monotonic() - self._searched_at >= self._search_pause_s

    def _adopt(self, found: Found) -> Process | None:
        if self._process is not None:
            return self._process  # another thread was faster
        self._reason, self._hidden = found.reason, found.hidden
        if found.process is None:
            return None
        try:
            process = Process(found.process)
        except (NotRunning, Unreadable) as error:
            self._reason, self._hidden = str(error), isinstance(error, Unreadable)
            return None
        if self._identity is not None and process.identity != self._identity:
            self._restarts += 1
            self._restarted_at.append(time.monotonic())
            self._ring.clear()
        self._identity, self._process, self._ended = process.identity, process, ""
        self._last_seen = datetime.now(UTC)
        return process

    def _why(self) -> str:
        parts = dict.fromkeys(filter(None, (self._ended, self._reason)))
        return "; ".join(parts) or "it was not looked for yet"

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
