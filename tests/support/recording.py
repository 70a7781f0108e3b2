"""Instances in this process on a real server, which note when each of their looks begins and ends."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.health import Health, HealthQuestion, State
from diagmesh.contract.codec import decode_question
from diagmesh.expected import Key
from diagmesh.member import Member, addresses_of_instance, new_boot
from diagmesh.serve import Asked, Endpoint, Identity
from diagmesh.settings import NatsSettings

__all__ = ["Looks", "recording"]

_KIND: Final = "health"


class Look(NamedTuple):
    """One look of one instance; `subject` is where it was asked."""

    key: Key
    subject: str


class Looks:
    """What all instances noted.

    Args:
        takes_s: how long each look takes.
    """

    def __init__(self, takes_s: float = 0.05) -> None:
        self.takes_s = takes_s
        self.frozen: Key | None = None
        self.begun: list[Look] = []
        self.most_at_once = 0
        self.most_of_a_service = 0
        self._open: list[Key] = []

    async def look(self, key: Key, asked: Asked) -> Health:
        """Look, and note it; a frozen instance does not come back before its budget is over."""
        self.begun.append(Look(key, asked.subject))
        self._open.append(key)
        self.most_at_once = max(self.most_at_once, len(self._open))
        services = [one.service for one in self._open]
        self.most_of_a_service = max(self.most_of_a_service, *map(services.count, services))
        try:
            await asyncio.sleep(3600 if key == self.frozen else self.takes_s)
        finally:
            self._open.remove(key)
        return Health(state=State.UP, reason="it only notes", restarts_seen=0)

    def clear(self) -> None:
        """Forget what was noted."""
        self.begun.clear()
        self.most_at_once = self.most_of_a_service = 0


class _Kinds:
    """Implements `diagmesh.serve.Kinds`."""

    def __init__(self, key: Key, looks: Looks) -> None:
        self._key = key
        self._looks = looks

    def names(self) -> Collection[str]:
        return [_KIND]

    def find(self, kind: str) -> Endpoint | None:
        if kind != _KIND:
            return None

        async def look(_: HealthQuestion, asked: Asked) -> Health:
            return await self._looks.look(self._key, asked)

        return Endpoint(
            kind=kind,
            decode=lambda data: decode_question(data, HealthQuestion),
            look=look,
            budget_s=2.0,
            most_s=60.0,
            concurrency=8,
        )


@asynccontextmanager
async def recording(url: str, looks: Looks, labels: Mapping[Key, dict[str, str]]) -> AsyncIterator[None]:
    """These instances, each with a connection of its own.

    Args:
        url: of a server without accounts.
        looks: where they note.
        labels: of each instance.
    """
    async with AsyncExitStack() as stack:
        for key, told in labels.items():
            bus = await NatsBus.connect(NatsSettings(url=url), f"diag/{key.service}/{key.instance}")
            stack.push_async_callback(bus.close)
            member = Member(
                bus,
                Identity(service=key.service, instance=key.instance, boot=new_boot(), host="here"),
                _Kinds(key, looks),
                addresses_of_instance(key.service, key.instance),
                heartbeat_s=0.5,
                labels=told,
            )
            await member.start()
            stack.push_async_callback(member.drain, 1.0)
        yield
