"""One timer for many deadlines: nearly every look ends long before its own, and a timer each costs much."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["Deadlines"]

log = logging.getLogger("diagmesh.serve")

T = TypeVar("T")
_FAR: Final = float("inf")


class Deadlines(Generic[T]):
    """Calls ``expire`` with each thing whose deadline comes before it is dropped.

    Args:
        expire: called from the event loop, at the deadline as far as the loop's clock tells it apart.
    """

    def __init__(self, expire: Callable[[T], None]) -> None:
        self._expire = expire
        self._due: dict[T, float] = {}
        self._armed_for = _FAR
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many deadlines are still ahead."""
        return len(self._due)

    def add(self, thing: T, after_s: float) -> None:
        """From now on it has so many seconds."""
        loop = asyncio.get_running_loop()
        due = self._due[thing] = loop.time() + after_s
        if due < self._armed_for:
            self._arm(loop, due)

    def drop(self, thing: T) -> None:
        """It is done. Safe to call twice."""
        # The timer stays: when it finds nothing due it looks for the next.
        self._due.pop(thing, None)

    def _arm(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for, self._timer = due, loop.call_at(due, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        # A loop may wake a timer up to its resolution early.
        now = max(loop.time(), self._armed_for)
        self._armed_for, self._timer = _FAR, None
        for thing in [thing for thing, due in self._due.items() if due <= now]:
            del self._due[thing]
            try:
                self._expire(thing)
            except Exception:  # the others have deadlines, too
                log.exception("what is to happen at a deadline failed")
        if self._due:
            self._arm(loop, min(self._due.values()))
