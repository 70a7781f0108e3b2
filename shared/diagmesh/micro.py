"""Answers discovery (ADR-32) beside the plain subscriptions: nats-py's own micro service would join a queue group."""

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

import msgspec

from diagmesh.bus.core import Bus, Message, Subscription
from diagmesh.contract.codec import encode
from diagmesh.contract.micro import EndpointInfo, EndpointStats, Info, Ping, Stats, subjects_of
from diagmesh.contract.subjects import QUEUE, ask_one, is_inbox
from diagmesh.errors import BusError

__all__ = ["Discovery", "Tally"]

_MOST_SENDING: Final = 64


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """One kind and what happened to its questions."""

    kind: str
    tells: str = ""
    requests: int = 0
    errors: int = 0
    last_error: str = ""
    processing_ns: int = 0


class Discovery:
    """The discovery endpoints of one member.

    Args:
        bus: where questions come from and replies go.
        identity: name, id (unique for this start), version and metadata, as every reply says them.
        service: the service token in the subjects.
        description: one line.
        tallies: the kinds and their numbers, now.
        counters: what went wrong in this member as a whole, by name; told with the numbers of each kind.
    """

    def __init__(
        self,
        bus: Bus,
        identity: Ping,
        *,
        service: str,
        description: str,
        tallies: Callable[[], Collection[Tally]],
        counters: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self._bus = bus
        self._identity = identity
        self._service = service
        self._description = description
        self._tallies = tallies
        self._counters = counters
        self._started = datetime.now(UTC)
        self._subscriptions: list[Subscription] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on all three scopes."""
        for subject in subjects_of(self._identity.name, self._identity.id):
            self._subscriptions.append(await self._bus.subscribe(subject, self._take))

    async def stop(self) -> None:
        """Listen no more."""
        await asyncio.gather(*(subscription.unsubscribe() for subscription in self._subscriptions))

    def _take(self, message: Message) -> None:
        # Discovery is a courtesy: under a flood it falls silent before it takes time or memory.
        if len(self._sending) >= _MOST_SENDING or not is_inbox(message.reply):
            return
        reply = self._reply(message.subject.split(".", 2)[1])
        if reply is None:
            return
        task = asyncio.get_running_loop().create_task(self._publish(message.reply, encode(reply)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _publish(self, reply: str, data: bytes) -> None:
        try:
            await self._bus.publish(reply, data)
        except BusError:
            return  # the asker asks again; there is nothing else to tell

    def _reply(self, verb: str) -> Ping | Info | Stats | None:
        who = self._identity
        if verb == "PING":
            return who
        if verb == "INFO":
            return Info(
                name=who.name,
                id=who.id,
                version=who.version,
                metadata=who.metadata,
                description=self._description,
                endpoints=tuple(self._info(tally) for tally in self._tallies()),
            )
        if verb == "STATS":
            return Stats(
                name=who.name,
                id=who.id,
                version=who.version,
                metadata=who.metadata,
                started=self._started,
                endpoints=tuple(self._stats(tally) for tally in self._tallies()),
            )
        return None

    def _info(self, tally: Tally) -> EndpointInfo:
        return EndpointInfo(
            name=tally.kind,
            subject=ask_one(self._service, tally.kind),
            queue_group=QUEUE,
            metadata={"tells": tally.tells} if tally.tells else None,
        )

    def _stats(self, tally: Tally) -> EndpointStats:
        return EndpointStats(
            name=tally.kind,
            subject=ask_one(self._service, tally.kind),
            queue_group=QUEUE,
            num_requests=tally.requests,
            num_errors=tally.errors,
            last_error=tally.last_error,
            processing_time=tally.processing_ns,
            average_processing_time=tally.processing_ns // tally.requests if tally.requests else 0,
            data=self._counters(),
        )
