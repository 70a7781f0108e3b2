"""Names of whoever is there, for an asker that has heard no heartbeat yet."""

import asyncio
import contextlib
from typing import Final

import msgspec

from diagmesh.bus.core import Bus, Message
from diagmesh.contract import subjects
from diagmesh.contract.names import check_token
from diagmesh.errors import BadName, BusError
from diagmesh.expected import Key

__all__ = ["learn"]

_MOST_NAMES: Final = 20_000


class _Named(msgspec.Struct, gc=False):
    service: str
    instance: str


_named: Final = msgspec.json.Decoder(_Named)


async def learn(
    bus: Bus, kind: str, *, total_s: float = 0.5, quiet_s: float = 0.15, most: int = _MOST_NAMES
) -> frozenset[Key]:
    """Who answers when everybody is asked. Only names to ask, never answers: here any member can speak for another.

    Args:
        bus: our connection.
        kind: what to ask; one that nobody knows is good enough, its refusals have names too.
        total_s: the longest that this takes.
        quiet_s: the end comes this long after the last reply.
        most: names that are taken.

    Raises:
        BusError: the question could not be asked.
    """
    names: set[Key] = set()
    news = asyncio.Event()
    trouble: list[Exception] = []
    nobody = False

    def arrived(message: Message) -> None:
        nonlocal nobody
        nobody = nobody or message.no_responders
        with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError, BadName):
            said = _named.decode(message.data)
            if len(names) < most:
                names.add(Key(check_token(said.service, "service"), check_token(said.instance, "instance")))
        news.set()

    def on_trouble(error: Exception) -> None:
        trouble.append(error)
        news.set()

    inbox = bus.open_inbox(arrived, on_trouble)
    try:
        subject = subjects.ask_everyone(kind)
        await bus.publish(subject, b'{"detail":"brief"}', reply=inbox.reply_to(0, subject))
        async with asyncio.timeout(total_s):
            while not nobody and not trouble:
                news.clear()
                async with asyncio.timeout(quiet_s if names else None):
                    await news.wait()
    except TimeoutError:
        pass
    finally:
        inbox.close()
    if trouble and isinstance(trouble[0], BusError):
        raise trouble[0]
    return frozenset(names)
