"""A look that nobody waits for any more is ended by whoever asked for it: he alone knows its token."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

from diagmesh.contract.answers.profile import Profile
from diagmesh.errors import Declined
from diagmesh.target import Target

__all__ = ["stop", "stoppable"]

_under_way: Final[WeakKeyDictionary[Target, dict[str, list[asyncio.Timeout]]]] = WeakKeyDictionary()


@asynccontextmanager
async def stoppable(target: Target, token: str) -> AsyncIterator[None]:
    """What is done inside ends at once when somebody stops it; without a token nobody can.

    Raises:
        Declined: it was stopped (499).
    """
    if not token:
        yield
        return
    looks = _under_way.setdefault(target, {})
    try:
        async with asyncio.timeout(None) as ending:
            looks.setdefault(token, []).append(ending)
            try:
                yield
            finally:
                looks[token].remove(ending)
                if not looks[token]:
                    del looks[token]
    except TimeoutError:
        if not ending.expired():
            raise
        raise Declined("whoever asked for this look stopped it", code=499, error="stopped") from None


def stop(target: Target, token: str) -> Profile:
    """End the look with this token.

    Raises:
        Declined: none is under way here (404).
    """
    looks = _under_way.get(target, {}).get(token, ())
    if not looks:
        raise Declined("no look with this token is under way here", code=404, error="no such look")
    for ending in looks:
        ending.reschedule(asyncio.get_running_loop().time())
    return Profile()
