"""Whether we ourselves stood still (frozen, or without a CPU), and when that was sent which waited for us meanwhile."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from diagmesh.bus.core import Bus
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import BusError
from diagmesh.roster import Known

__all__ = ["Standstill"]

_TICK_S: Final = 0.5
_STOOD_STILL_S: Final = 1.0
"""So much later than the last sign that we run: what arrives now has waited. A shorter delay makes nobody lost."""
_READ_UP_S: Final = 5.0


class Standstill:
    """Notices that this process stood still, and dates the heartbeats that it reads up afterwards.

    They come in the order in which they were sent, and each carries a count: since the last one that was read in time,
    a start that counts three more has been alive for three intervals more. Nothing in the backlog was sent before
    what stands in front of it, so the latest such moment dates all that follows, too. Whoever fell silent while
    we stood still is thus found lost as soon as by somebody who listened all the time.

    Args:
        bus: our connection; its barrier tells where the backlog ends.
        clock: monotonic seconds.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float]) -> None:
        self._bus = bus
        self._clock = clock
        self._ran_at = clock()
        self._read_to: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._caught_up = asyncio.Event()
        self._caught_up.set()

    def start(self) -> None:
        """Watch from now on."""
        self._ran_at = self._clock()
        self._ticking = asyncio.get_running_loop().create_task(self._tick(), name="standstill")

    async def stop(self) -> None:
        """Watch no more."""
        for task in (self._ticking, self._reading):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})

    @property
    def behind(self) -> bool:
        """Whether what waited for us is still being read."""
        return self._read_to is not None

    async def caught_up(self, timeout_s: float) -> None:
        """Until it was read, or the time is over."""
        if self.behind:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._caught_up.wait()

    def cut_off(self) -> None:
        """Our connection is gone, and with it whatever was not read."""
        self._read_to = None
        self._caught_up.set()

    def sent_at(self, known: Known | None, beat: Heartbeat) -> float:
        """When a heartbeat that is read now was sent, monotonic seconds: now, unless it waited for us.

        Args:
            known: the instance as it was heard before; None when it was not.
            beat: what it says now.
        """
        now = self._look()
        if self._read_to is None:
            return now
        self._read_to = min(now, max(self._read_to, _by_its_count(known, beat)))
        return self._read_to

    def _look(self) -> float:
        now, before = self._clock(), self._ran_at
        self._ran_at = now
        if now - before > _STOOD_STILL_S and self._ticking is not None:
            self._read_to = before if self._read_to is None else self._read_to
            self._caught_up.clear()
            if self._reading is not None:
                self._reading.cancel()  # what it waits for stands in front of what came since
            self._reading = asyncio.get_running_loop().create_task(self._read_up(), name="read up")
        return now

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._look()

    async def _read_up(self) -> None:
        # Without a word of the server nobody knows where the backlog ends; then what comes counts as sent when it came.
        with contextlib.suppress(BusError):
            await self._bus.barrier(_READ_UP_S)
        self.cut_off()


def _by_its_count(known: Known | None, beat: Heartbeat) -> float:
    """How long a start must have been alive for so many heartbeats; nothing where it was not heard before."""
    if known is None or known.beat.boot != beat.boot:
        return float("-inf")
    return known.boots[-1].last_at + max(0, beat.n - known.beat.n) * beat.interval_s
