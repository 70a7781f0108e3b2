"""A few at a time, asked from here: progress is told, and Ctrl-C ends the asking and keeps what came."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from diagmesh.client import MeshResult, Stream
from diagmesh.gather import Progress
from diagmesh_cli.output import Output

__all__ = ["ask_in_batches"]


async def ask_in_batches(
    stream_of: Callable[[Progress], Stream[Any]], output: Output, what: str, *, each: bool
) -> MeshResult[Any]:
    """Ask, and add up what came: of everybody, or until somebody interrupts.

    Args:
        stream_of: the question, given whom to tell how far it has come.
        output: where progress is shown.
        what: is awaited, in words.
        each: every single answer too.

    Raises:
        BusError: as `Mesh.stream`.
        Refusal: the selection means nobody, or the batches do not fit into the time.
    """
    async with output.waiting(what) as say:
        stream = stream_of(lambda asked, of: say(f"{asked} of {of} asked"))
        with _interrupted_by_hand(stream.stop):
            async for _ in stream:
                pass  # what came is in the sum
    return stream.sum(each=each)


@contextmanager
def _interrupted_by_hand(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C ends the asking, the second ends the command as always."""
    loop = asyncio.get_running_loop()

    def once() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop()

    loop.add_signal_handler(signal.SIGINT, once)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
