"""A careful fan-out: a few instances at a time, never more than half of a service, with a pause between."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

import msgspec

from diagmesh.bus.core import Bus
from diagmesh.contract.mesh import Ended
from diagmesh.contract.wire import Reply
from diagmesh.errors import Declined, NotPermitted
from diagmesh.expected import Gathered, Key
from diagmesh.gather.merging import Left, merged
from diagmesh.gather.missing import Absences
from diagmesh.gather.plan import Ask, Plan
from diagmesh.gather.round import Gather

__all__ = ["BatchGather", "Progress", "batches_of", "gathering", "share_s"]

_LEAST_S: Final = 0.3
"""What a batch is given at least: in less nobody could find out why one of it is silent."""
_SHORTEST_S: Final = 0.1
"""With less than this left the rest is not asked."""
_REST_S: Final = 0.35
"""What a coordinator needs besides, to know whom to ask, add up and reply."""
_COORDINATOR_S: Final = 60.0

Progress = Callable[[int, int], None]
"""Called before each batch: how many are asked with it, and of how many."""


def batches_of(keys: Sequence[Key], size: int) -> tuple[tuple[Key, ...], ...]:
    """Who is asked together, always the same for the same instances.

    The instances of each service are spread over the whole order, and a batch holds half of those of one service at
    most (one, where there is one only): whatever a question does to an instance, others of its service are left alone.

    Args:
        keys: all who are asked.
        size: of a batch, at most.
    """
    services: dict[str, list[Key]] = {}
    for key in sorted(keys):
        services.setdefault(key.service, []).append(key)
    order = sorted(((place + 0.5) / len(those), key) for those in services.values() for place, key in enumerate(those))
    most = {service: max(1, len(those) // 2) for service, those in services.items()}
    batches: list[list[Key]] = []
    taken: dict[str, int] = {}
    for _, key in order:
        if not batches or len(batches[-1]) >= size or taken.get(key.service, 0) >= most[key.service]:
            batches.append([])
            taken = {}
        batches[-1].append(key)
        taken[key.service] = taken.get(key.service, 0) + 1
    return tuple(map(tuple, batches))


def share_s(batches: int, pause_s: float, timeout_s: float, rest_s: float = _REST_S) -> float:
    """How long one batch may take; a quick one leaves the later ones more.

    Args:
        batches: how many; none shares nothing.
        pause_s: between two of them.
        timeout_s: for all of it.
        rest_s: what is needed besides.

    Raises:
        Declined: 400, the time cannot be enough; it says how much would be.
    """
    if not batches:
        return timeout_s
    pauses_s = (batches - 1) * pause_s
    share = (timeout_s - pauses_s) / batches
    if share >= _LEAST_S:
        return share
    needed_s = math.ceil((pauses_s + batches * _LEAST_S + rest_s) * 10) / 10
    more = (
        "" if needed_s <= _COORDINATOR_S else "; a coordinator takes 60 s at most, diagmesh ask --batch ten times that"
    )
    raise Declined(
        f"batch: {batches} batches with {pause_s * 1000:g} ms between them do not fit into {timeout_s:.3g} s",
        hint=f"give {needed_s * 1000:.0f} at least as timeout_ms (--timeout {needed_s:g}), or larger batches{more}",
    )


class BatchGather:
    """Rounds of questions, one after the other. Use it as a `Gather`; `stop` ends it and keeps what came.

    Each batch has until all of it answered, or for its share of the time that is left: a frozen instance costs the
    others nothing, and every instance is asked unless something ends it all sooner.

    Args:
        bus: our connection.
        plan: with `Plan.batches`.
        absences: as of a `Gather`.
        clock: monotonic seconds.
        progress: told before each batch.
    """

    def __init__(
        self,
        bus: Bus,
        plan: Plan,
        absences: Absences | None = None,
        clock: Callable[[], float] = time.monotonic,
        progress: Progress | None = None,
    ) -> None:
        self.result: Gathered | None = None
        self._bus = bus
        self._plan = plan
        self._absences = absences
        self._clock = clock
        self._progress = progress
        self._rounds: list[tuple[float, Gathered]] = []
        self._left: list[Left] = []
        self._refusal: NotPermitted | None = None
        self._running: Gather | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End it: who was asked is not waited for, and nobody else is asked."""
        self._stopped.set()
        if self._running is not None:
            self._running.stop()

    async def run(self) -> Gathered:
        """Ask them all; see `Gather.run`."""
        async for _ in self.stream():
            pass
        assert self.result is not None  # noqa: S101  the stream has come to its end
        return self.result

    async def stream(self) -> AsyncGenerator[Reply, None]:
        """The counted replies as they come; see `Gather.stream`."""
        started = self._clock()
        batches, asked, ended = self._plan.batches, 0, Ended.COMPLETE
        for number, batch in enumerate(batches):
            if number:
                await self._pause()
            ended, share = self._before(number, started)
            if ended is not Ended.COMPLETE:
                self._left.extend((key, _why(ended)) for rest in batches[number:] for key in rest)
                break
            asked += len(batch)
            if self._progress is not None:
                self._progress(asked, sum(map(len, batches)))
            self._running = Gather(self._bus, self._part(number, share), self._absences, self._clock)
            began = self._clock() - started
            try:
                async with contextlib.aclosing(self._running.stream()) as replies:
                    async for reply in replies:
                        yield reply
            except NotPermitted as refusal:
                self._refusal = refusal
                self._left.extend((key, str(refusal)) for key in batch)
            else:
                assert self._running.result is not None  # noqa: S101  its stream has ended
                self._rounds.append((began, self._running.result))
        if self._refusal is not None and not any(one.replies for _, one in self._rounds):
            raise self._refusal
        self.result = merged(self._plan, self._rounds, self._left, ended, self._clock() - started)

    def _before(self, number: int, started: float) -> tuple[Ended, float]:
        """Whether the next batch may be asked, or why not, and how long it has."""
        last = self._rounds[-1][1].ended if self._rounds else Ended.COMPLETE
        if self._stopped.is_set():
            return Ended.INTERRUPTED, 0.0
        if last in (Ended.LIMIT, Ended.CONNECTION_LOST):
            return last, 0.0
        if self._plan.limit is not None and self._counted >= self._plan.limit:
            return Ended.LIMIT, 0.0  # the last reply of a batch reached it, so that batch itself was complete
        rest = len(self._plan.batches) - number
        left_s = started + self._plan.timeout_s - self._clock() - (rest - 1) * self._plan.pause_s
        return (Ended.COMPLETE if left_s / rest >= _SHORTEST_S else Ended.TIMEOUT), left_s / rest

    def _part(self, number: int, share: float) -> Plan:
        """The plan of one batch."""
        keys = frozenset(self._plan.batches[number])
        limit = self._plan.limit
        return msgspec.structs.replace(
            self._plan,
            asks=tuple(Ask(service=key.service, instance=key.instance) for key in self._plan.batches[number]),
            expected=tuple(one for one in self._plan.expected if one.key in keys),
            hoped=self._plan.hoped & keys,
            lacking=() if self._rounds else self._plan.lacking,
            warming=False,
            timeout_s=share,
            limit=None if limit is None else limit - self._counted,
            not_asked=(),
            notes=(),
            batches=(),
        )

    @property
    def _counted(self) -> int:
        return sum(len(one.replies) for _, one in self._rounds)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._plan.pause_s):
                await self._stopped.wait()


def gathering(
    bus: Bus, plan: Plan, absences: Absences | None = None, progress: Progress | None = None
) -> Gather | BatchGather:
    """The gather that a plan asks for: all at once, or in batches."""
    if plan.batches:
        return BatchGather(bus, plan, absences, progress=progress)
    return Gather(bus, plan, absences)


def _why(ended: Ended) -> str:
    return {
        Ended.LIMIT: "the limit was reached before",
        Ended.CONNECTION_LOST: "our own connection was lost before",
        Ended.INTERRUPTED: "it was interrupted before",
    }.get(ended, "the time was over before its turn")
