"""A reply on its way: one message, or chunks one after the other; bounded in time."""

import asyncio
import secrets
from typing import Final

from diagmesh.bus.core import Bus
from diagmesh.contract.chunks import cut
from diagmesh.contract.codec import error_headers
from diagmesh.contract.coding import CONTENT_TYPE_HEADER, MSGPACK
from diagmesh.serve.replies import Identity, Outgoing

__all__ = ["send"]

_LONGEST_S: Final = 30.0
"""For all chunks of a reply; the server forgets after 3 minutes that it may be answered (``allow_responses``)."""


async def send(bus: Bus, us: Identity, outgoing: Outgoing) -> None:
    """Publish a reply.

    Args:
        bus: our connection.
        us: who answers.
        outgoing: what.

    Raises:
        BusError: it could not be sent, or not all of it.
        TimeoutError: its chunks took too long; the asker knows which of them are missing.
    """
    headers = error_headers(outgoing.problem) if outgoing.problem is not None else {}
    if outgoing.form.msgpack:
        headers[CONTENT_TYPE_HEADER] = MSGPACK
    if not outgoing.in_chunks:
        await bus.publish(outgoing.reply, outgoing.data, headers=headers or None)
        return
    sender = f"{us.service}/{us.instance}"
    async with asyncio.timeout(_LONGEST_S):
        for data, chunk in cut(outgoing.data, outgoing.form.message_bytes, secrets.token_hex(8), sender):
            await bus.publish(outgoing.reply, data, headers=headers | chunk)
            await bus.barrier()  # the server has taken it: neither it nor the asker is flooded
