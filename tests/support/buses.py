"""Buses on a real server, for tests of what goes wrong with them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from diagmesh.bus.core import BusState, Message
from diagmesh.bus.nats import NatsBus
from diagmesh.errors import BusError
from diagmesh.settings import NatsSettings

__all__ = ["Start", "answering", "is_connected", "started", "until"]

Start = Callable[[NatsSettings], NatsBus]


async def until(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    """Wait for something that will come true."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


def is_connected(bus: NatsBus) -> Callable[[], bool]:
    """A condition for `until`."""
    return lambda: bus.state.state is BusState.CONNECTED


@pytest.fixture
async def started() -> AsyncIterator[Start]:
    """Starts buses that are closed after the test."""
    async with contextlib.AsyncExitStack() as stack:

        def start(settings: NatsSettings) -> NatsBus:
            bus = NatsBus(settings, "test")
            bus.start()
            stack.push_async_callback(bus.close)
            return bus

        yield start


async def answering(bus: NatsBus, subject: str, word: bytes = b"pong", queue: str = "") -> None:
    """Answer whatever is asked on a subject."""
    tasks: set[asyncio.Task[None]] = set()

    def answer(message: Message) -> None:
        task = asyncio.get_running_loop().create_task(_answer(bus, message.reply, word))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await bus.subscribe(subject, answer, queue=queue)


async def _answer(bus: NatsBus, reply: str, word: bytes) -> None:
    with contextlib.suppress(BusError):
        await bus.publish(reply, word)
