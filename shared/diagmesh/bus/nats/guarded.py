"""nats-py's client, with the traps guarded that lie inside it; those around it are guarded by the link."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.protocol.parser import ERR_RE

from diagmesh.bus.core import Handler, Message

__all__ = ["GuardedClient"]

log = logging.getLogger("diagmesh.bus")


class GuardedClient(Client):
    """nats-py's client, less trusting towards what arrives, and with a shorter way for it.

    Its read loop ends at the first exception while a message is built, and any publisher can cause one (bytes in a
    subject that are no UTF-8, a malformed header block); what lies in the buffer behind it would be lost with it.

    Our handlers return at once, so a message is handed to its own right where it was read: the message object, queue
    and task that nats-py has for each subscription cost a third of what a gather costs, and a queue can only lose.
    """

    def __init__(self, *, tls_wanted: bool, refused: Callable[[str], None]) -> None:
        super().__init__()
        self.malformed = 0
        self.handlers: dict[Any, Handler] = {}
        """By the callback that nats-py was given in its place."""
        self._tls_wanted = tls_wanted
        self._told = refused
        self.said = ""
        """The last error of the server, as it wrote it: nats-py folds it, and with it the subject that was refused."""

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        try:
            subscription = self._subs.get(sid)
            handler = None if subscription is None else self.handlers.get(subscription._cb)
            if handler is None:
                await super()._process_msg(sid, subject, reply, data, headers)
                return
            told = await self._process_headers(headers) if headers else None
            message = Message(subject.decode(), data, reply.decode(), told)
        except Exception as error:  # noqa: BLE001  see above: nothing that arrives may end the loop
            self.malformed += 1
            if self.malformed & (self.malformed - 1) == 0:  # the 1st, 2nd, 4th, 8th …: a flood must not fill the log
                log.warning("%d messages could not be read (%s)", self.malformed, type(error).__name__)
            return
        try:
            handler(message)
        except (Exception, asyncio.CancelledError):
            # Total on purpose: what leaks from here would end the read loop. Nothing is awaited in a handler, so a
            # cancellation can only be one that it met and let out.
            log.exception("a handler of %s failed", message.subject)

    async def _process_err(self, err_msg: str) -> None:
        line = ERR_RE.match(self._ps.buf)  # still at the head of what was read
        written = (line[1] or b"").decode(errors="replace") if line is not None else ""
        self.said = written if written.lower() == err_msg else err_msg
        self._told(err_msg)
        await super()._process_err(err_msg)

    def _connect_command(self) -> bytes:
        # The last moment before anything of ours is written: a password in a URL would go out with it.
        writer = getattr(self._transport, "_io_writer", None)
        if self._tls_wanted and (writer is None or writer.get_extra_info("ssl_object") is None):
            raise nats.errors.Error("the server does not speak TLS, so nothing was sent there (nats:// is plain text)")
        return super()._connect_command()
