"""How late the event loop comes to what is due: the first thing to look at when a coordinator is slow."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from diagmesh.contract.answers.coordinator import LoopLag

__all__ = ["LAG_BUCKETS_S", "Lags", "watch_lag"]

LAG_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_PACE_S: Final = 0.5
_WINDOW_S: Final = 60.0


async def watch_lag(observe: Callable[[float], None], pace_s: float = _PACE_S) -> None:
    """Sleep again and again, and tell by how much too long it was; until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + pace_s
        await asyncio.sleep(pace_s)
        observe(max(0.0, loop.time() - due))


class _Seen(NamedTuple):
    at: float
    cpu_s: float
    lag_s: float


class Lags:
    """The last minute of a loop: how late it was, and how much CPU the process used meanwhile.

    Args:
        clock: monotonic seconds.
        cpu_clock: CPU time of the process, seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._began = _Seen(clock(), cpu_clock(), 0.0)
        self._ring: deque[_Seen] = deque(maxlen=int(_WINDOW_S / _PACE_S))

    def observe(self, lag_s: float) -> None:
        """Take in one delay, seconds."""
        if len(self._ring) == self._ring.maxlen:
            self._began = self._ring[0]
        self._ring.append(_Seen(self._clock(), self._cpu_clock(), lag_s))

    def told(self) -> LoopLag | None:
        """The delays of the last minute; None before the first."""
        if not self._ring:
            return None
        ordered = sorted(one.lag_s for one in self._ring)
        # Nearest rank: a value that was really seen.
        p50, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
        over_s = self._ring[-1].at - self._began.at
        return LoopLag(over_s=round(over_s, 1), p50_s=round(p50, 4), p99_s=round(p99, 4), max_s=round(ordered[-1], 4))

    def cores_used(self) -> float | None:
        """CPU over the same time; 1.0 is one core all the time; None before the first delay."""
        if not self._ring:
            return None
        over_s = self._ring[-1].at - self._began.at
        return round((self._ring[-1].cpu_s - self._began.cpu_s) / over_s, 4) if over_s > 0 else None
