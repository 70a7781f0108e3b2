"""One round of questions: publish, count, stop, and say why it stopped."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import UTC, datetime
from typing import Final

from diagmesh.bus.core import Bus, Inbox, Message
from diagmesh.contract.chunks import CHUNK_HEADER
from diagmesh.contract.directory import InstanceState
from diagmesh.contract.mesh import Ended
from diagmesh.contract.wire import Reply
from diagmesh.errors import BusError, MessageTooLarge, NotPermitted
from diagmesh.expected import Absence, Gathered, Key
from diagmesh.gather.large import Large
from diagmesh.gather.missing import LOOK_AFTER_S, Absences, Missing
from diagmesh.gather.outcome import sum_up
from diagmesh.gather.plan import Plan
from diagmesh.gather.tally import Tally

__all__ = ["Gather"]

_YIELD_EVERY: Final = 64


class Gather:
    """One round of questions. Call `run` once, or iterate `stream` and read `result` afterwards.

    Args:
        bus: our connection.
        plan: what to ask whom.
        absences: how to find out why somebody is silent; None leaves it unknown.
        clock: monotonic seconds; the same as that of the directory.
    """

    def __init__(
        self, bus: Bus, plan: Plan, absences: Absences | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.result: Gathered | None = None
        self._bus = bus
        self._plan = plan
        self._clock = clock
        self._tally = Tally(plan)
        self._tally.on_large = self._too_large
        self._large = Large(bus, plan, self._left_s, self._fetched)
        self._missing = Missing(bus, plan, self._tally, absences, clock)
        self._waiting: set[Key] = {one.key for one in plan.expected if one.live} | plan.hoped
        # All lost, or nobody known: a short chance for whoever is there after all.
        self._quiet_s = plan.quiet_s if self._waiting or plan.quiet_s is not None else LOOK_AFTER_S
        self._limit = plan.limit
        self._deaf: set[int] = set()
        self._ended: Ended | None = None
        self._refusal: NotPermitted | None = None
        self._notes: list[str] = []
        self._started = self._last_at = clock()
        self._done = asyncio.Event()
        self._news = asyncio.Event()

    # --- the life of a gather

    async def run(self) -> Gathered:
        """Ask, wait and say what came. Whatever goes wrong on the way, what has come is kept.

        Raises:
            MessageTooLarge: the question is above the server's limit.
            NotPermitted: this role may ask none of the subjects, or may not listen for replies.
        """
        inbox = self._bus.open_inbox(self._arrived, self._trouble)
        look: asyncio.Task[None] | None = None
        try:
            self._started = self._last_at = self._clock()
            self._tally.begin(self._started, datetime.now(UTC))
            self._missing.begin(self._started)
            looking = self._missing.look(inbox, self._done, lambda: self._waiting, self._gone)
            look = asyncio.create_task(looking, name="look")
            await self._ask(inbox)
            await self._until_done()
            self._tally.settle(self._clock())
            await self._missing.explain(self._waiting, complete=self._ended is Ended.COMPLETE)
        finally:
            inbox.close()
            await self._large.close()
            self._tally.on_large = lambda _: None  # so that a gather is gone when nobody needs it, without a collector
            if look is not None:
                look.cancel()
                await asyncio.wait({look})
        if self._refusal is not None and not self._tally.replies:
            raise self._refusal
        self.result = sum_up(
            self._plan,
            self._tally,
            ended=self._ended or Ended.COMPLETE,
            why=self._missing.why,
            deaf=[self._plan.asks[token] for token in self._deaf],
            notes=(*self._notes, *self._missing.notes()),
            took_s=self._clock() - self._started,
        )
        return self.result

    async def stream(self) -> AsyncGenerator[Reply, None]:
        """The counted replies as they come; `result` is there when this has ended.

        Raises:
            MessageTooLarge: as `run`.
            NotPermitted: as `run`.
        """
        running = asyncio.create_task(self.run(), name="gather")
        running.add_done_callback(lambda _: self._news.set())
        given = 0
        try:
            while True:
                self._news.clear()
                while given < len(self._tally.replies):
                    given += 1
                    yield self._tally.replies[given - 1]
                if running.done():
                    break
                await self._news.wait()
            running.result()
        finally:
            running.cancel()
            await asyncio.wait({running})

    def stop(self) -> None:
        """End it now: who was asked is not waited for any longer, and not silent."""
        self._end(Ended.INTERRUPTED)

    async def _ask(self, inbox: Inbox) -> None:
        kind, body = self._plan.kind, self._plan.body
        try:
            for token, ask in enumerate(self._plan.asks):
                subject = ask.subject(kind)
                await self._bus.publish(subject, body, reply=inbox.reply_to(token, subject))
                if token % _YIELD_EVERY == _YIELD_EVERY - 1:
                    await asyncio.sleep(0)  # many services: let the replies in while the rest is asked
        except MessageTooLarge:
            raise
        except BusError as error:
            self._trouble(error)
        if not self._plan.asks:
            self._end(Ended.COMPLETE)

    async def _until_done(self) -> None:
        while not self._done.is_set():
            now = self._clock()
            left = self._left_s()
            quiet = self._quiet_until() - now
            if left <= 0:
                self._end(Ended.TIMEOUT if self._waiting or self._plan.quiet_s is None else Ended.COMPLETE)
            elif quiet <= 0:
                self._end(Ended.COMPLETE)
            else:
                # Looked at again after each gap: a reply must not cost a timer of its own.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, quiet, self._quiet_s or left)):
                        await self._done.wait()

    def _left_s(self) -> float:
        return self._started + self._plan.timeout_s - self._clock()

    def _quiet_until(self) -> float:
        if self._quiet_s is None or self._tally.large:
            return float("inf")
        first = not self._tally.replies and self._plan.first_s is not None
        return self._last_at + (self._plan.first_s or 0.0 if first else self._quiet_s)

    def _end(self, why: Ended) -> None:
        if self._ended is None:
            self._ended = why
        self._done.set()

    # --- what arrives; called for each message, so every microsecond counts

    def _arrived(self, message: Message) -> None:
        if self._done.is_set():
            return
        token = int(message.subject.rpartition(".")[2])
        data = message.data
        if not data and message.no_responders:
            self._nobody(token)
            return
        now = self._clock()
        chunk = message.headers is not None and CHUNK_HEADER in message.headers
        key = self._tally.chunk(token, message, now) if chunk else self._tally.take(token, data, now)
        if chunk or key is not None:
            self._last_at = now
        if key is not None:
            self._counted(key)

    def _counted(self, key: Key) -> None:
        self._news.set()
        self._waiting.discard(key)
        if not self._waiting:
            self._maybe_complete()
        if self._limit is not None and len(self._tally.replies) >= self._limit:
            self._end(Ended.LIMIT)

    def _too_large(self, key: Key) -> None:
        self._waiting.add(key)
        self._large.add(key)

    def _fetched(self, key: Key, data: bytes, why: str) -> None:
        if not self._done.is_set() and self._tally.again(key, data, self._clock(), why) is not None:
            self._last_at = self._clock()
            self._counted(key)

    def _maybe_complete(self) -> None:
        # With a quiet gap there is no list of who should answer: only time, or a 503 for each question, ends it.
        if not self._waiting and (self._quiet_s is None or len(self._deaf) == len(self._plan.asks)):
            self._end(Ended.COMPLETE)

    def _nobody(self, token: int) -> None:
        if self._missing.nobody_heard_again(token):
            return  # it listens in a moment: then it is asked again
        ask = self._plan.asks[token]
        self._deaf.add(token)
        if ask.instance:
            self._waiting.discard(Key(ask.service, ask.instance))
        else:
            self._waiting = {key for key in self._waiting if key.service != ask.service}
        self._maybe_complete()

    def _trouble(self, error: Exception) -> None:
        self._notes.append(str(error))
        if not isinstance(error, NotPermitted):
            self._end(Ended.CONNECTION_LOST)
            return
        kind = self._plan.kind
        refused = [(token, ask) for token, ask in enumerate(self._plan.asks) if error.subject == ask.subject(kind)]
        if self._missing.is_repetition(error.subject):
            return  # the first question was not refused, so this costs the repetition only
        absence = Absence(InstanceState.UNKNOWN, str(error))
        for token, ask in refused:
            self._missing.why |= {key: absence for key in self._tally.known if ask.means(key)}
            self._nobody(token)
        if not refused or len(self._deaf) == len(self._plan.asks):
            self._refusal = error
            self._end(Ended.COMPLETE)

    def _gone(self, keys: Collection[Key]) -> None:
        if not self._waiting.isdisjoint(keys):
            self._waiting.difference_update(keys)
            self._maybe_complete()
