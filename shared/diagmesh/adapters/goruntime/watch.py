"""Looks at the Go runtime of one neighbour: fresh ones that are shared, cheap ones at a slow pace for its past."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from diagmesh.adapters.goruntime.birth import Birth
from diagmesh.adapters.goruntime.growth import GrowthWatch
from diagmesh.adapters.goruntime.index import fields_of_index
from diagmesh.adapters.goruntime.look import ORDER, Who, look_of, sample_of
from diagmesh.adapters.goruntime.memstats import fields_of_expvar, fields_of_heap_text
from diagmesh.adapters.goruntime.metrics import fields_of_metrics
from diagmesh.adapters.goruntime.ring import GoRing
from diagmesh.errors import NotRunning, Refusal, Unreadable
from diagmesh.gopages import EXPVAR, METRICS, GoDoor, GoPage, pprof
from diagmesh.goruntime import GoLook, GoSample, HeapGrowth

__all__ = ["GoWatch", "Neighbouring"]

_FRESH_S: Final = 0.25
_PAGE_S: Final = 2.0
_PAGE_BYTES: Final = 8 << 20
_LEAST_PACE_S: Final = 0.5
_BEGIN_COUNT: Final = 20
_BEGIN_PACE_S: Final = 0.5
"""The first samples come at this pace, so that growth can be judged after seconds."""
_SETTLED_S: Final = 5.0
_PACE_MOST_S: Final = 30.0
"""Of a service whose pages fail again and again."""
_LOG_EVERY_S: Final = 60.0
_log = logging.getLogger(__name__)


class Neighbouring(Protocol):
    """What is needed of the process beside which we are."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def identity(self) -> tuple[int, int]:
        """What no other process shares."""
        ...

    @property
    def started_at(self) -> datetime:
        """When it started."""
        ...

    def birth(self) -> Birth:
        """What it was born with; blocking."""
        ...


class _Way(NamedTuple):
    """How one page is had and read."""

    page: GoPage
    query: dict[str, str | int]
    read: Callable[[bytes], dict[str, Any]]
    whole: bool


_WAYS: Final = {
    "expvar": _Way(EXPVAR, {}, fields_of_expvar, whole=True),
    "metrics": _Way(METRICS, {}, fields_of_metrics, whole=False),
    "pprof index": _Way(pprof(""), {}, fields_of_index, whole=False),
    "pprof heap": _Way(pprof("heap", heavy=False), {"debug": 1}, fields_of_heap_text, whole=True),
}


class GoWatch:
    """The Go runtime of one neighbour (`diagmesh.goruntime.GoRuntime`).

    Args:
        door: to its pages.
        process: what runs now; raises `NotRunning` when nothing does.
        name: SERVICE/INSTANCE.
        pace_s: of the cheap looks, half a second at least.
    """

    def __init__(self, door: GoDoor, process: Callable[[], Neighbouring], name: str, pace_s: float) -> None:
        self._door = door
        self._process = process
        self._name = name
        self._pace_s = max(_LEAST_PACE_S, pace_s)
        self._ring = GoRing()
        self._born: tuple[tuple[int, int], Birth] | None = None
        self._flight: asyncio.Task[GoLook] | None = None
        self._waiting = 0
        self._last: GoLook | None = None
        self._logged_at = -_LOG_EVERY_S
        self._growth = GrowthWatch(door, self.samples, name, self._pace_s) if "pprof" in door.places else None

    @property
    def growth(self) -> HeapGrowth | None:
        """See `GoRuntime.growth`."""
        return self._growth.found if self._growth is not None else None

    def samples(self, window_s: float | None = None) -> Sequence[GoSample]:
        """See `GoRuntime.samples`."""
        return self._ring.samples(window_s)

    async def look(self) -> GoLook:
        """See `GoRuntime.look`."""
        if self._last is not None and time.monotonic() - self._last.at < _FRESH_S:
            return self._last
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._whole(), name=f"go runtime {self._name}")
        flight = self._flight
        self._waiting += 1
        try:
            return await asyncio.shield(flight)
        finally:
            self._waiting -= 1
            if not self._waiting and not flight.done():
                flight.cancel()  # nobody wants to know any more

    async def run(self) -> None:
        """Take cheap looks at the pace, and heap profiles while it grows, until cancelled; nothing else ends it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sample(), name=f"go runtime {self._name}: samples")
            if self._growth is not None:
                group.create_task(self._growth.run(), name=f"go runtime {self._name}: growth")

    async def _sample(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                self._keep(await self._cheap())
                failures = 0
            except Refusal:
                failures += 1  # whoever asks is told why
            except Exception as error:  # noqa: BLE001  the past must outlive a bad moment
                failures += 1
                self._failed(error)
            pace_s = _BEGIN_PACE_S if len(self._ring) < _BEGIN_COUNT else self._pace_s
            if failures:
                pace_s = max(pace_s, min(_PACE_MOST_S, self._pace_s * 2 ** min(failures, 10)))
            await asyncio.sleep(max(0.0, began + pace_s - time.monotonic()))

    async def _whole(self) -> GoLook:
        """Every page; the expensive one only for what the others do not tell."""
        who = await self._who()
        told: dict[str, dict[str, Any]] = {}
        failed: dict[str, Refusal] = {}
        first = [name for name in ORDER if name != "pprof heap" and _WAYS[name].page.setting in self._door.places]
        await asyncio.gather(*(self._read(name, told, failed) for name in first))
        if "pprof" in self._door.places and not any("gc_cpu_share" in fields for fields in told.values()):
            await self._read("pprof heap", told, failed)
        look = self._put_together(who, told, failed)
        self._last = look
        self._keep(look)
        return look

    async def _cheap(self) -> GoLook:
        """As few pages as tell what the ring keeps."""
        who = await self._who()
        told: dict[str, dict[str, Any]] = {}
        failed: dict[str, Refusal] = {}
        for name in ORDER:
            fields = {field for page in told.values() for field in page}
            needless = "goroutines" in fields if name == "pprof index" else "gc_cycles" in fields
            if _WAYS[name].page.setting in self._door.places and not needless:
                await self._read(name, told, failed)
        return self._put_together(who, told, failed)

    def _put_together(self, who: Who, told: dict[str, dict[str, Any]], failed: dict[str, Refusal]) -> GoLook:
        if not any(told.values()) and failed:
            raise next(failed[name] for name in ORDER if name in failed)
        return look_of(who, told, failed)

    async def _read(self, name: str, told: dict[str, dict[str, Any]], failed: dict[str, Refusal]) -> None:
        way = _WAYS[name]
        try:
            seen = await self._door.fetch(
                way.page, query=way.query, limit_bytes=_PAGE_BYTES, timeout_s=_PAGE_S, whole=way.whole
            )
            told[name] = await asyncio.to_thread(way.read, seen.body)
        except Refusal as why:
            failed[name] = why

    async def _who(self) -> Who:
        """The process that runs; nobody where none fits, which does not keep its pages from telling."""
        try:
            return await asyncio.to_thread(self._look_who)
        except (NotRunning, Unreadable):
            return Who()

    def _look_who(self) -> Who:
        process = self._process()
        started_at, born = process.started_at.timestamp(), self._born
        if born is None or born[0] != process.identity:
            born = process.identity, process.birth()
            # One that has just been forked may still become another program, which stays the same process.
            self._born = born if time.time() - started_at > _SETTLED_S else None
        return Who(process.pid, started_at, born[1])

    def _keep(self, look: GoLook) -> None:
        last = self._ring.last
        # Whoever asks again and again must not push the past out.
        if last is None or last.pid != look.pid or look.at - last.at >= 0.9 * min(self._pace_s, _BEGIN_PACE_S):
            self._ring.add(sample_of(look))

    def _failed(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _log.error("a look at the Go runtime of %s failed: %s: %s", self._name, type(error).__name__, error)
