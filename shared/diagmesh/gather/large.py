"""Answers that are too large for one message: asked for again, in chunks, a few at a time.

Asked for all at once they could flood the asker: the server cuts off whoever reads more slowly than many send.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from diagmesh.bus.core import Bus
from diagmesh.contract.codec import encode
from diagmesh.contract.subjects import ask_instance
from diagmesh.contract.wire import Reply
from diagmesh.errors import BusError, Unreadable
from diagmesh.expected import Key
from diagmesh.gather.plan import Plan, agent_budget_ms

__all__ = ["Large", "fits_in_chunks"]

_AT_A_TIME: Final = 2
_SHARE: Final = 0.5
"""Of the time that is left, where others may wait for theirs: one that hangs leaves them half of it."""
_TOO_LARGE: Final = 413
_CHUNKS: Final = '"chunks": true'
"""In the hint of a refusal: that much would fit."""

Fetched = Callable[[Key, bytes, str], None]
"""Hears what came of one: the reply, or (it is empty then) why there is none."""

_fields: Final = msgspec.json.Decoder(dict[str, Any])


def fits_in_chunks(reply: Reply) -> bool:
    """Whether this refusal says that the answer can be had in chunks."""
    problem = reply.problem
    return problem is not None and problem.code == _TOO_LARGE and _CHUNKS in problem.hint


class Large:
    """The large answers of one gather.

    Args:
        bus: our connection.
        plan: what was asked.
        left_s: how much time is left.
        fetched: called for each that was added, once, unless it is closed before.
    """

    def __init__(self, bus: Bus, plan: Plan, left_s: Callable[[], float], fetched: Fetched) -> None:
        self._bus = bus
        self._plan = plan
        self._left_s = left_s
        self._fetched = fetched
        self._expected = plan.hoped.union(one.key for one in plan.expected)
        self._share = _SHARE if len(self._expected) > 1 else 1.0
        self._queue: deque[Key] = deque()
        self._newcomers: deque[Key] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, key: Key) -> None:
        """Ask this one again, when it is its turn; those whom nobody expected come last."""
        (self._queue if key in self._expected else self._newcomers).append(key)
        if len(self._tasks) < _AT_A_TIME:
            task = asyncio.get_running_loop().create_task(self._work(), name="large answers")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ask no more."""
        self._queue.clear()
        self._newcomers.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        # Nothing of the gather is held any longer: its replies must not wait for the collector of garbage.
        self._left_s, self._fetched = _no_time, _drop

    async def _work(self) -> None:
        while queue := self._queue or self._newcomers:
            key = queue.popleft()
            data, why = await self._fetch(key)
            self._fetched(key, data, why)

    async def _fetch(self, key: Key) -> tuple[bytes, str]:
        left_s = self._share * self._left_s()
        if left_s <= 0:
            return b"", "there was no time left"
        own = _fields.decode(self._plan.body or b"{}")
        body = encode({**own, "timeout_ms": agent_budget_ms(left_s), "chunks": True})
        try:
            subject = ask_instance(key.service, self._plan.kind, key.instance)
            return (await self._bus.request(subject, body, timeout_s=left_s)).data, ""
        except (BusError, Unreadable) as error:
            return b"", str(error)


def _no_time() -> float:
    return 0.0


def _drop(key: Key, data: bytes, why: str) -> None:
    """Nobody waits for it any longer."""
