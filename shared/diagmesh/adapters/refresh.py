"""Expensive looks: cached with their age, in a thread, one at a time, never more often than they may cost."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Generic, NoReturn, TypeVar

import msgspec

from diagmesh.adapters.threads import in_thread
from diagmesh.errors import Unreadable
from diagmesh.target import Aged

__all__ = ["Refresher"]

_REST: Final = 20.0
"""After a look that took t seconds the next one waits for 20 t, so that looking costs at most a twentieth of a core."""

T = TypeVar("T")


class _Seen(msgspec.Struct, Generic[T], frozen=True):
    """A look that succeeded; ``at`` is monotonic seconds."""

    value: T
    at: float
    took_s: float

    def serves(self, max_age_s: float) -> bool:
        """Whether it is young enough, or the next one would cost too much."""
        return time.monotonic() - self.at <= max(max_age_s, _REST * self.took_s)

    def tell(self) -> Aged[T]:
        """What was seen, with its age."""
        return Aged(self.value, max(0.0, time.monotonic() - self.at))


class _Failed(msgspec.Struct, frozen=True):
    """A look that raised."""

    error: Exception
    at: float
    took_s: float

    def serves(self, _: float) -> bool:
        """Whether the next one would cost too much; no age makes a failure worth keeping."""
        return time.monotonic() - self.at <= _REST * self.took_s

    def tell(self) -> NoReturn:
        """Raise it again, without the traces of earlier times."""
        raise self.error.with_traceback(None)


class Refresher(Generic[T]):
    """One expensive look with its last outcome.

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
        # Written by the thread of the look, in one step: value, age and cost that are read here belong together.
        self._last: _Seen[T] | _Failed | None = None
        self._flight: asyncio.Future[_Seen[T]] | None = None

    async def get(self, max_age_s: float) -> Aged[T]:
        """What was seen at most so long ago (longer, if looking is expensive), else a fresh look.

        Raises:
            Unreadable: the look did not end in time, and there is no earlier one.
            NotRunning: whatever the look itself raised.
        """
        last = self._last
        if last is not None and last.serves(max_age_s):
            return last.tell()
        if self._flight is None or self._flight.done():
            self._flight = in_thread(self._timed, f"look-{self._what}")
        try:
            async with asyncio.timeout(self._timeout_s):
                seen = await asyncio.shield(self._flight)
        except TimeoutError:
            last = self._last
            if isinstance(last, _Seen):
                return last.tell()
            raise Unreadable(self._what, f"the look did not end within {self._timeout_s:g} s", self._fix) from None
        return seen.tell()

    def _timed(self) -> _Seen[T]:
        started = time.monotonic()
        try:
            value = self._work()
        except Exception as error:
            ended = time.monotonic()
            self._last = _Failed(error, ended, ended - started)
            raise
        ended = time.monotonic()
        seen = _Seen(value, ended, ended - started)
        self._last = seen
        return seen
