"""A sidecar whose service was launched: what the launcher knows of it, and the exits that the mesh must hear of."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec

from diagmesh.adapters.fits import Fits
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.procfs import PidDir
from diagmesh.appnats import AppNats
from diagmesh.bus.core import Bus
from diagmesh.contract.answers.health import ExitReason, LastExit
from diagmesh.contract.codec import encode
from diagmesh.contract.presence import Event
from diagmesh.contract.subjects import event
from diagmesh.contract.wire import WIRE_VERSION
from diagmesh.errors import BusError, NotRunning, SettingsError, Unreadable
from diagmesh.serve import Identity
from diagmesh.settings import TargetSettings
from diagmesh.target import Probe, Sighting
from diagmesh_agents._captured import CapturedErrors
from diagmesh_agents._launcher.area import Area
from diagmesh_agents._launcher.endings import in_words
from diagmesh_agents._launcher.memory import Memory

__all__ = ["Launch", "LaunchedNeighbour", "tell_exits"]

log = logging.getLogger("diagmesh.launched")

_LOOK_S: Final = 1.0
_AGAIN_S: Final = 0.5
_SETTLES_S: Final = 2.5
"""So long the launcher may take to tell of an end: it reads what the service said last. Longer: it is frozen."""
_FOLLOW_S: Final = 1.0
_FOLLOW_AGAIN_S: Final = 60.0
_RUNNING: Final = "running"
_LEAVING: Final = "leaving"
_NOBODY_LEARNT: Final = "its launcher is gone, and only that would have learnt how it ended"


class Launch:
    """What the launcher tells its sidecar; a way to find the process (`diagmesh.adapters.ways.Way`).

    Nothing here waits for the launcher, and nothing of ours can hold it up.

    Args:
        memory: descriptor of the shared memory.
        wake: descriptor that becomes readable when there is news.
        instance: the name that the launcher took.
    """

    words = "the service that was launched"

    def __init__(self, memory: int, wake: int, instance: str) -> None:
        self.wake, self.instance = wake, instance
        self._memory = Memory(memory)

    @classmethod
    def of(cls, flag: str) -> Self | None:
        """From the flag that the launcher gives; None without one.

        Raises:
            SettingsError: it is not what a launcher gives.
        """
        if not flag:
            return None
        try:
            memory, wake, instance = flag.split(",")
            return cls(int(memory), int(wake), instance)
        except (ValueError, OSError):
            raise SettingsError("--launched is for the launcher alone: start a service with -- COMMAND") from None

    @property
    def areas(self) -> tuple[Area, Area]:
        """The output of the service, as the pump and the launcher read it."""
        return self._memory.of_pump, self._memory.of_launcher

    @property
    def state(self) -> dict[str, Any]:
        """What it told last."""
        return self._memory.state()

    @property
    def running(self) -> bool:
        """Whether the service runs, as far as the launcher knows."""
        return self.state.get("phase") == _RUNNING

    @property
    def leaving(self) -> bool:
        """Whether the launcher wants us to go."""
        return self.state.get("phase") == _LEAVING

    @property
    def gone(self) -> bool:
        """Whether the launcher has ended before us."""
        return os.getppid() != self.state.get("launcher")

    def look(self) -> Fits:
        """The process that the launcher started."""
        pid, ticks = self.state.get("pid", 0), self.state.get("ticks", 0)
        if not self.running or not pid:
            return Fits(reason=self.why())
        try:
            if PidDir(pid).living_stat().start_ticks != ticks:
                return Fits(reason=f"process {pid} has ended, and its number now belongs to another process")
        except (NotRunning, Unreadable) as gone:
            return Fits(reason=str(gone))
        return Fits((pid,))

    def why(self) -> str:
        """Why it does not run, in one sentence."""
        exits = self.state.get("exits")
        if not exits:
            return "it was not started yet"
        words = in_words(exits[-1])
        if (again := self.last_exit()) is None or again.restart_at is None:
            return words
        rest_s = (again.restart_at - datetime.now(UTC)).total_seconds()
        return f"{words}; it is started again {f'in {rest_s:.0f} s' if rest_s >= 1 else 'now'}"

    def last_exit(self) -> LastExit | None:
        """Its last end, as the launcher learnt it."""
        exits = self.state.get("exits")
        if not exits:
            return None
        last = msgspec.convert(exits[-1], LastExit)
        return msgspec.structs.replace(last, restart_at=None, last_seen=None) if self.running else last

    def untold(self) -> list[dict[str, Any]]:
        """The exits that no sidecar has told the mesh of, oldest first."""
        return [one for one in self.state.get("exits", ()) if one["number"] > self._memory.told]

    def unlearnt(self) -> dict[str, Any] | None:
        """The end of a service whose launcher was gone before, as far as it can be told; once, else None."""
        exits = self.state.get("exits") or [{"number": 0}]
        number = exits[-1]["number"] + 1
        if not (self.gone and self.running) or self._memory.told >= number or self.look().pids:
            return None
        now = datetime.now(UTC).isoformat()
        told = {"number": number, "reason": ExitReason.UNKNOWN.value, "detail": _NOBODY_LEARNT, "last_seen": now}
        return {**told, "at": now, "pid": self.state["pid"]}

    def told(self, number: int) -> None:
        """The mesh knows of this exit; no other sidecar tells of it again."""
        self._memory.told = number


class LaunchedNeighbour(Neighbour):
    """A neighbour whose end the launcher tells.

    Args:
        settings: how it is named.
        probes: its doors.
        launch: what the launcher tells.
        nats: the observer connection, where the settings give one.
    """

    def __init__(
        self,
        settings: TargetSettings,
        probes: Sequence[Probe],
        launch: Launch,
        *,
        nats: AppNats | None = None,
        system: AppNats | None = None,
    ) -> None:
        # No search at all: the launcher names the process, and may have started another one just now.
        super().__init__(settings, probes, way=launch, at_hand=lambda: launch.running, nats=nats, system=system)
        self._launch = launch
        self._missed: tuple[int, int] | None = None
        self._missed_since = 0.0

    async def run(self) -> None:
        """As of any neighbour; and what it writes on standard error is read before it is overwritten."""
        following = asyncio.get_running_loop().create_task(self._follow(), name="follow standard error")
        try:
            await super().run()
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        pause_s = _FOLLOW_S  # the ring holds more than that, and at the start there is enough to do
        while True:
            await asyncio.sleep(pause_s)
            pause_s = _FOLLOW_S
            try:
                await asyncio.to_thread(self.races.follow)
            except Exception:
                log.exception("the standard error of the service could not be followed")
                pause_s = _FOLLOW_AGAIN_S

    def _captured(self) -> CapturedErrors:
        return CapturedErrors(self._launch.areas)

    def sighting(self) -> Sighting:
        """Which process runs, how often it was started again, and how it ended last."""
        seen = super().sighting()
        changes: dict[str, Any] = {
            "restarts_seen": self._launch.state.get("restarts", 0),
            "last_exit": self._launch.last_exit(),
        }
        if not self._launch.running:
            changes |= {"running": False, "pid": 0, "started_at": None, "state": None, "reason": self._launch.why()}
        elif not seen.running:
            changes["settling"] = self._settling()
            if seen.last_seen is not None:
                changes["last_exit"] = LastExit(
                    reason=ExitReason.UNKNOWN, detail=self._untold(), last_seen=seen.last_seen, pid=seen.pid or None
                )
        return msgspec.structs.replace(seen, **changes)

    def _settling(self) -> bool:
        """Whether the launcher is about to tell how the process ended."""
        state = self._launch.state
        missed = (state.get("pid", 0), state.get("ticks", 0))
        if missed != self._missed:
            self._missed, self._missed_since = missed, time.monotonic()
        return not self._launch.gone and time.monotonic() - self._missed_since < _SETTLES_S

    def _untold(self) -> str:
        if self._launch.gone:
            return _NOBODY_LEARNT
        return "its launcher has not told yet how it ended"


async def tell_exits(launch: Launch, bus: Bus, identity: Identity, stop: asyncio.Event) -> None:
    """Tell the mesh of every exit once, and leave when the launcher says so; until cancelled.

    Args:
        launch: who knows of them.
        bus: where they are told.
        identity: who tells.
        stop: set when it is time to go.
    """
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    loop.add_reader(launch.wake, _drain, launch.wake, news)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Whoever signals a whole control group means the service: the launcher decides when we go.
        loop.add_signal_handler(number, lambda: stop.set() if launch.gone or launch.leaving else news.set())
    ended_s = 0.0
    try:
        while True:
            news.clear()
            told = await _tell(launch, bus, identity)
            if launch.leaving:
                stop.set()
            ended_s = ended_s + _LOOK_S if launch.gone and not launch.look().pids else 0.0
            if ended_s > launch.state.get("linger_s", 0.0):
                log.warning("leaving: the launcher is gone, and the service has ended")
                stop.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S if told else _AGAIN_S):
                    await news.wait()
    finally:
        loop.remove_reader(launch.wake)


async def _tell(launch: Launch, bus: Bus, identity: Identity) -> bool:
    """Tell what is untold; False when that has to be tried again."""
    unlearnt = launch.unlearnt()
    for one in [*launch.untold(), *([unlearnt] if unlearnt else [])]:
        happened = Event(
            v=WIRE_VERSION,
            service=identity.service,
            instance=identity.instance,
            boot=identity.boot,
            kind="exit",
            at=datetime.fromisoformat(one["at"]),
            what="it ended, nobody knows how" if one is unlearnt else in_words(one),
            detail={key: value for key, value in one.items() if key != "number"},
        )
        try:
            await bus.publish(event(identity.service, "exit"), encode(happened))
            await bus.barrier()
        except BusError:
            return False
        launch.told(one["number"])
    return True


def _drain(wake: int, news: asyncio.Event) -> None:
    with contextlib.suppress(BlockingIOError):
        os.eventfd_read(wake)
    news.set()
