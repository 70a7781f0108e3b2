"""How late the event loop comes to what is due: the first thing to look at when a coordinator is slow."""

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["LAG_BUCKETS_S", "watch_lag"]

LAG_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_PACE_S: Final = 0.5


async def watch_lag(observe: Callable[[float], None], pace_s: float = _PACE_S) -> None:
    """Sleep again and again, and tell by how much too long it was; until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + pace_s
        await asyncio.sleep(pace_s)
        observe(max(0.0, loop.time() - due))
