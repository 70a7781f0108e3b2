"""What was asked for and takes its time is stopped where it is done, when whoever asked is interrupted."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

from diagmesh.client import Mesh
from diagmesh.contract.answers.profile import ProfileQuestion
from diagmesh.contract.codec import encode
from diagmesh.contract.subjects import ask_all, ask_instance
from diagmesh.errors import BusError

__all__ = ["stopped_with_us"]

_PATIENCE_S: Final = 1.0
_PROFILE: Final = "profile"
_ENDS: Final = (signal.SIGTERM, signal.SIGHUP)
"""A time-out of a script, a terminal that is closed: as good as Ctrl-C."""


@asynccontextmanager
async def stopped_with_us(mesh: Mesh, service: str, instance: str, token: str) -> AsyncIterator[None]:
    """Nobody samples on for somebody who went away, with Ctrl-C or otherwise.

    Args:
        mesh: over which it was asked for.
        service: whom.
        instance: which one; empty for all of them.
        token: of the question.
    """
    try:
        with _as_interrupts():
            yield
    except asyncio.CancelledError:
        to = ask_instance(service, _PROFILE, instance) if instance else ask_all(service, _PROFILE)
        with suppress(BusError):  # then it ends by its own bound
            await mesh.bus.request(to, encode(ProfileQuestion(stop=token)), timeout_s=_PATIENCE_S)
        raise


@contextmanager
def _as_interrupts() -> Iterator[None]:
    """What would end us at once cancels us; what is ignored (nohup) still is."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101  it runs
    taken = [number for number in _ENDS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
