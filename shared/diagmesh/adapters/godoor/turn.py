"""Turns: what a service notices is done to it once at a time, and who has to wait for long is told so."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from diagmesh.errors import Busy

__all__ = ["Turn"]

_WAITING_MOST: Final = 8
_held: Final[ContextVar[tuple["Turn", ...]]] = ContextVar("diagmesh_turns", default=())
"""The turns that this task, or whoever started it, has."""


class Turn:
    """One at a time.

    Args:
        name: whose turn it is about, SERVICE/INSTANCE.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._since = 0.0
        self._until = 0.0
        self.what = ""

    @asynccontextmanager
    async def taken(self, what: str, for_s: float, wait_s: float) -> AsyncIterator[None]:
        """Have it for a while; who has it already keeps it.

        Args:
            what: it is taken for, in words.
            for_s: how long, if that is known.
            wait_s: how long to wait for whoever has it.

        Raises:
            Busy: others have it for longer than that, or too many wait for it.
        """
        if self in _held.get():
            yield
            return
        await self._get(wait_s)
        self.what, self._since = what, time.monotonic()
        self._until = self._since + for_s
        token = _held.set((*_held.get(), self))
        try:
            yield
        finally:
            _held.reset(token)
            self.what = ""
            self._lock.release()

    async def _get(self, wait_s: float) -> None:
        if self._lock.locked() and (self._waiting >= _WAITING_MOST or self._until - time.monotonic() > wait_s):
            raise self._busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(wait_s):
                await self._lock.acquire()
        except TimeoutError:
            raise self._busy() from None
        finally:
            self._waiting -= 1

    def _busy(self) -> Busy:
        now = time.monotonic()
        left_s = self._until - now
        again = f"in {left_s:.0f} s" if left_s >= 1 else "in a moment"
        what = self.what or "another look"
        return Busy(
            f"{what} is under way at {self._name}, for {now - self._since:.1f} s so far, and goes before",
            hint=f"ask again {again}",
        )
