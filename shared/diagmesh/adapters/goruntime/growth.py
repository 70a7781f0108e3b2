"""What a growing heap grows by: two heap profiles of the service, some time apart, and only while it grows."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from diagmesh.adapters.pprof.apart import Job, Part, read_apart
from diagmesh.adapters.trend import trend_of
from diagmesh.contract.answers.profile import Counted, Row
from diagmesh.errors import Refusal
from diagmesh.gopages import GoDoor, pprof
from diagmesh.goruntime import GoSample, HeapGrowth

__all__ = ["GrowthWatch", "grows"]

_WINDOW_S: Final = 120.0
_GROWN_BYTES: Final = 8 << 20
_STILL_THERE_SHARE: Final = 0.9
_GOES_ON_SHARE: Final = 0.5
_FIRST_PACES: Final = 2
_PACES: Final = 6
_LEAST_GAP_S: Final = 2.0
_BASE_MOST_S: Final = 600.0
_KEPT_S: Final = 60.0
"""A look at which it does not seem to grow is not the end of it."""
_PROFILE_BYTES: Final = 1 << 20
_FETCH_S: Final = 5.0
_READ_S: Final = 20.0
_LEAST_BYTES: Final = 4 << 20
"""Go samples one allocation per 512 KiB: less than eight of them are told by chance."""
_ROWS: Final = 5
_LOG_EVERY_S: Final = 60.0
_log = logging.getLogger(__name__)


class _Taken(NamedTuple):
    """A heap profile, of which process, and when."""

    data: bytes
    pid: int
    at: float


def grows(samples: Sequence[GoSample]) -> bool:
    """Whether the live heap surely grew by 8 MiB within two minutes, kept that, and goes on.

    Args:
        samples: of one process, oldest first.
    """
    points = [(one.at, float(one.heap_live_bytes)) for one in samples if one.heap_live_bytes is not None]
    trend = trend_of(points)
    if trend is None or trend.slope_low * trend.over_s < _GROWN_BYTES:
        return False
    if points[-1][1] < _STILL_THERE_SHARE * max(value for _, value in points):
        return False
    return trend.late_slope is None or trend.late_slope >= _GOES_ON_SHARE * trend.slope


class GrowthWatch:
    """Takes heap profiles of a service whose live heap grows: a few, then one per half minute (default pace).

    Each is a page that the service writes in milliseconds without standing still, bounded to a MiB, and read in a
    process of its own. A service whose heap does not grow is never asked.

    Args:
        door: to its pages.
        samples: the past of the runtime, the last so many seconds.
        name: SERVICE/INSTANCE.
        pace_s: of the cheap looks.
    """

    def __init__(self, door: GoDoor, samples: Callable[[float], Sequence[GoSample]], name: str, pace_s: float) -> None:
        self._door, self._samples, self._name, self._pace_s = door, samples, name, pace_s
        self._base: _Taken | None = None
        self._last: _Taken | None = None
        self._grew_at = 0.0
        self._due = 0.0
        self._vain = 0
        self._found: HeapGrowth | None = None
        self._logged_at = -_LOG_EVERY_S

    @property
    def found(self) -> HeapGrowth | None:
        """What was seen last; None while it does not grow, or was not looked at twice."""
        return self._found

    async def run(self) -> None:
        """Look at the pace until cancelled; nothing that goes wrong here ends it."""
        while True:
            try:
                await self.step()
            except Refusal as why:
                self._due = time.monotonic() + self._seldom_s
                _log.debug("no heap profile of %s: %s", self._name, why)
            except Exception as error:  # noqa: BLE001  whoever asks for the runtime must not miss the rest for this
                self._due = time.monotonic() + self._seldom_s
                self._failed(error)
            await asyncio.sleep(self._pace_s)

    async def step(self) -> None:
        """Look whether it grows, and take a profile when one is due.

        Raises:
            Refusal: the profile cannot be had or read now.
        """
        samples, now = self._samples(_WINDOW_S), time.monotonic()
        pid = samples[-1].pid if samples else 0
        if self._base is not None and self._base.pid != pid:
            self._forget()
        if not grows(samples):
            if now - self._grew_at > _KEPT_S:
                self._forget()
            return
        self._grew_at = now
        if now < self._due:
            return
        taken = _Taken(await self._profile(), pid, time.monotonic())
        if self._base is None or self._last is None:
            self._base = self._last = taken
            self._due = taken.at + self._gap_s
            return
        if self._last.at - self._base.at > _BASE_MOST_S:
            self._base = self._last
        found = await self._compared(self._base, taken)
        self._last, self._found = taken, found or self._found
        self._vain = 0 if found is not None else self._vain + 1
        often_s = self._gap_s * 2.0 ** min(
            self._vain, 8
        )  # what tells nothing is not asked for at the same pace for ever
        self._due = taken.at + (min(often_s, self._seldom_s) if self._vain else self._seldom_s)

    @property
    def _seldom_s(self) -> float:
        return _PACES * self._pace_s

    @property
    def _gap_s(self) -> float:
        return max(_LEAST_GAP_S, _FIRST_PACES * self._pace_s)

    def _forget(self) -> None:
        self._base = self._last = self._found = None

    async def _profile(self) -> bytes:
        page = pprof("heap")
        fetched = await self._door.fetch(page, limit_bytes=_PROFILE_BYTES, timeout_s=_FETCH_S, whole=True)
        return fetched.body

    async def _compared(self, base: _Taken, now: _Taken) -> HeapGrowth | None:
        """What came in between; None when it is too little to be told from chance."""
        with tempfile.TemporaryDirectory(prefix="diagmesh-heap-", ignore_cleanup_errors=True) as name:
            before, after = Path(name) / "before.pb.gz", Path(name) / "after.pb.gz"
            await asyncio.to_thread(before.write_bytes, base.data)
            await asyncio.to_thread(after.write_bytes, now.data)
            part = Part(type="heap", files=(str(after),), base=str(before), base_words="before", sample="inuse_space")
            async with asyncio.timeout(_READ_S):
                told = await read_apart(Job(parts=(part,), top=0))
        (counted,) = told.counted
        return _growth(counted, base, now)

    def _failed(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _log.error("a heap profile of %s could not be read: %s: %s", self._name, type(error).__name__, error)


def _growth(counted: Counted, base: _Taken, now: _Taken) -> HeapGrowth | None:
    grown = sum(row.flat for row in counted.blamed)
    if grown < _LEAST_BYTES:
        return None
    heaviest = sorted((row for row in counted.blamed if row.flat > 0), key=lambda row: -row.flat)[:_ROWS]
    rows = tuple(_of(row, grown) for row in heaviest)
    return HeapGrowth(at=now.at, over_s=now.at - base.at, grown_bytes=grown, rows=rows)


def _of(row: Row, grown: int) -> Row:
    """The shares of a comparison are of its base; here they are of the growth."""
    return replace(row, flat_share=round(row.flat / grown, 6), cum_share=round(row.cum / grown, 6))
