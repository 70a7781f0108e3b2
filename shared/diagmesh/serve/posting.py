"""Replies on their way out: awaited by whoever can, else each in a task that is owned here."""

import asyncio
import logging

from diagmesh.bus.core import Bus
from diagmesh.errors import BusError
from diagmesh.serve.replies import Identity, Outgoing
from diagmesh.serve.sending import send

__all__ = ["Posting"]

log = logging.getLogger("diagmesh.serve")


class Posting:
    """Sends the replies of one member; what cannot be sent is counted and logged, never raised.

    Args:
        bus: our connection.
        us: who answers.
    """

    def __init__(self, bus: Bus, us: Identity) -> None:
        self.unsent = 0
        self.under_way: set[asyncio.Task[None]] = set()
        self._bus = bus
        self._us = us

    def post(self, outgoing: Outgoing | None) -> None:
        """Publish from where nothing can be awaited."""
        if outgoing is None:
            return
        task = asyncio.get_running_loop().create_task(self.publish(outgoing))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def publish(self, outgoing: Outgoing) -> None:
        """Publish, all chunks of it."""
        try:
            await send(self._bus, self._us, outgoing)
        except (BusError, TimeoutError) as error:
            self.unsent += 1
            log.warning("a reply could not be sent: %s", str(error) or "its chunks took too long")
        except Exception:
            self.unsent += 1
            log.exception("a reply could not be sent")
