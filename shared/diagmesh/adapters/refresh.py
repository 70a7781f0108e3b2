"""Expensive looks: cached with their age, in a thread, one at a time, never more often than they may cost."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from diagmesh.adapters.probes.threads import in_thread
from diagmesh.errors import Unreadable
from diagmesh.target import Aged

__all__ = ["Refresher"]

_REST: Final = 20.0
"""After a look that took t seconds the next one waits for 20 t, so that looking costs at most a twentieth of a core."""

T = TypeVar("T")


class Refresher(Generic[T]):
    """One expensive look with its last result.

    Args:
        what: its name in an answer that has to do without.
        work: the blocking look.
        timeout_s: how long a question waits for it; the look itself goes on and serves the next question.
        fix: what to do when it never comes back.
    """

    def __init__(self, what: str, work: Callable[[], T], *, timeout_s: float, fix: str = "") -> None:
        self._what = what
        self._work = work
        self._timeout_s = timeout_s
        self._fix = fix
        self._value: T | None = None
        self._at = 0.0
        self._took_s = 0.0
        self._flight: asyncio.Future[T] | None = None

    async def get(self, max_age_s: float) -> Aged[T]:
        """What was seen at most so long ago (longer, if looking is expensive), else a fresh look.

        Raises:
            Unreadable: the look did not end in time, and there is no earlier one.
            NotRunning: whatever the look itself raised.
        """
        if self._value is not None and time.monotonic() - self._at <= max(max_age_s, _REST * self._took_s):
            return self._aged(self._value)
        if self._flight is None or self._flight.done():
            self._flight = in_thread(self._timed, f"look-{self._what}")
        try:
            async with asyncio.timeout(self._timeout_s):
                value = await asyncio.shield(self._flight)
        except TimeoutError:
            if self._value is not None:
                return self._aged(self._value)
            raise Unreadable(self._what, f"the look did not end within {self._timeout_s:g} s", self._fix) from None
        return self._aged(value)

    def _timed(self) -> T:
        started = time.monotonic()
        value = self._work()
        self._at = time.monotonic()
        self._took_s = self._at - started
        self._value = value
        return value

    def _aged(self, value: T) -> Aged[T]:
        return Aged(value, max(0.0, time.monotonic() - self._at))
