"""Which coordinators are alive now, and which of them works on a question that is under way."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from diagmesh.bus.core import Bus, Message
from diagmesh.contract import subjects
from diagmesh.contract.answers.coordinator import CoordinatorQuestion
from diagmesh.contract.codec import encode
from diagmesh.contract.names import check_token
from diagmesh.contract.wire import Detail
from diagmesh.errors import BadName, BusError

__all__ = ["Alive", "who_works"]

_SUBJECT: Final = subjects.ask_mesh("coordinator", "all")
_MOST: Final = 64


class Alive(NamedTuple):
    """A coordinator that answered just now, and whether it works on the question."""

    instance: str
    works: bool


class _Answer(msgspec.Struct, gc=False):
    working_on: bool | None = None


class _Reply(msgspec.Struct, gc=False):
    instance: str
    answer: _Answer | None = None


_reply: Final = msgspec.json.Decoder(_Reply)


async def who_works(
    bus: Bus, ask_id: str, timeout_s: float, news: asyncio.Event, enough: Callable[[Sequence[Alive]], bool]
) -> tuple[Alive, ...]:
    """Ask all coordinators; the quickest first. One that is too busy to say so is not counted.

    Args:
        bus: our connection. A role that may not ask this hears of nobody.
        ask_id: the question under way.
        timeout_s: how long is waited at most.
        news: set when something about that question changes.
        enough: whether those who have answered so far are enough, or the question itself is over.
    """
    found: list[Alive] = []
    settled = False

    def arrived(message: Message) -> None:
        nonlocal settled
        settled = settled or message.no_responders
        with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError, BadName):
            said = _reply.decode(message.data)
            if said.answer is not None and len(found) < _MOST:
                found.append(Alive(check_token(said.instance, "instance"), said.answer.working_on is True))
        news.set()

    def trouble(_: Exception) -> None:
        nonlocal settled
        settled = True
        news.set()

    inbox = bus.open_inbox(arrived, trouble)
    try:
        ms = max(1, int(timeout_s * 1000))
        question = CoordinatorQuestion(about=ask_id, detail=Detail.BRIEF, timeout_ms=ms)
        await bus.publish(_SUBJECT, encode(question), reply=inbox.reply_to(0, _SUBJECT))
        async with asyncio.timeout(timeout_s):
            while not (settled or enough(found)):
                news.clear()
                await news.wait()
    except (TimeoutError, BusError):
        pass
    finally:
        inbox.close()
    return tuple(found)
