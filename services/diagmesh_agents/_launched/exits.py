"""The exits that the mesh must hear of."""

import asyncio
import contextlib
import logging
import os
import signal
from datetime import datetime
from typing import Final

from diagmesh.bus.core import Bus
from diagmesh.contract.codec import encode
from diagmesh.contract.presence import Event
from diagmesh.contract.subjects import event
from diagmesh.contract.wire import WIRE_VERSION
from diagmesh.errors import BusError
from diagmesh.serve import Identity
from diagmesh_agents._launched.launch import Launch
from diagmesh_agents._launcher.endings import in_words

__all__ = ["tell_exits"]

log = logging.getLogger("diagmesh.launched")

_LOOK_S: Final = 1.0
_AGAIN_S: Final = 0.5


async def tell_exits(launch: Launch, bus: Bus, identity: Identity, stop: asyncio.Event) -> None:
    """Tell the mesh of every exit once, and leave when the launcher says so; until cancelled.

    Killed before the server has confirmed what we told, we leave it to the next sidecar, who tells it again.

    Args:
        launch: who knows of them.
        bus: where they are told.
        identity: who tells.
        stop: set when it is time to go.
    """
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    loop.add_reader(launch.wake, _drain, launch.wake, news)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Whoever signals a whole control group means the service: the launcher decides when we go.
        loop.add_signal_handler(number, lambda: stop.set() if launch.gone or launch.leaving else news.set())
    ended_s = 0.0
    launch.begin()
    try:
        while True:
            news.clear()
            told = await _tell(launch, bus, identity)
            if launch.leaving:
                stop.set()
            ended_s = ended_s + _LOOK_S if launch.gone and not launch.look().pids else 0.0
            if ended_s > launch.state.get("linger_s", 0.0):
                log.warning("leaving: the launcher is gone, and the service has ended")
                stop.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S if told else _AGAIN_S):
                    await news.wait()
    finally:
        loop.remove_reader(launch.wake)


async def _tell(launch: Launch, bus: Bus, identity: Identity) -> bool:
    """Tell what is untold; False when that has to be tried again."""
    unlearnt = launch.unlearnt()
    for one in [*launch.untold(), *([unlearnt] if unlearnt else [])]:
        happened = Event(
            v=WIRE_VERSION,
            service=identity.service,
            instance=identity.instance,
            boot=identity.boot,
            kind="exit",
            at=datetime.fromisoformat(one["at"]),
            what="it ended, nobody knows how" if one is unlearnt else in_words(one),
            detail={key: value for key, value in one.items() if key != "number"},
        )
        try:
            await bus.publish(event(identity.service, "exit"), encode(happened))
            await bus.barrier()
        except BusError:
            return False
        launch.told(one["number"])
    return True


def _drain(wake: int, news: asyncio.Event) -> None:
    with contextlib.suppress(BlockingIOError):
        os.eventfd_read(wake)
    news.set()
