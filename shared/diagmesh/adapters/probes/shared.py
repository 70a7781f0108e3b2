"""One look at a time per door: questions that come together share it, and asking often loads nobody."""

import asyncio
import time
from typing import Final

import msgspec

from diagmesh.target import Probe, ProbeResult

__all__ = ["FRESH_S", "Shared"]

FRESH_S: Final = 0.25
"""A result this young is told again, with its age, instead of knocking once more."""


class Shared:
    """A probe whose look is shared by everybody who asks while it lasts, and told again for a moment after."""

    def __init__(self, probe: Probe, fresh_s: float = FRESH_S) -> None:
        self.name = probe.name
        self._probe = probe
        self._fresh_s = fresh_s
        self._look: asyncio.Task[ProbeResult] | None = None
        self._waiting = 0
        self._last: tuple[float, ProbeResult] | None = None

    async def look(self) -> ProbeResult:
        """The result of the look under way, of one just over (with its age), or of a new one."""
        if self._last is not None:
            age_s = time.monotonic() - self._last[0]
            if age_s < self._fresh_s:
                return msgspec.structs.replace(self._last[1], age_s=round(age_s, 3))
        if self._look is None:
            self._look = asyncio.create_task(self._knock(), name=f"probe {self.name}")
        look = self._look
        self._waiting += 1
        try:
            return await asyncio.shield(look)
        finally:
            self._waiting -= 1
            if not self._waiting and not look.done():
                look.cancel()  # nobody wants to know any more
                self._look = None

    async def _knock(self) -> ProbeResult:
        try:
            result = await self._probe.look()
            self._last = time.monotonic(), result
            return result
        finally:
            if self._look is asyncio.current_task():
                self._look = None
