"""The NATS protocol with as little as possible around it, so that a load costs less than what it measures."""

import asyncio
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

__all__ = ["Raw", "connect"]

_CONNECT: Final = (
    b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"raw"}\r\nPING\r\n'
)
_MSG: Final = ord("M")
_HMSG: Final = ord("H")

Taker = Callable[[bytes, int, bytes, bool], None]
"""Subject, subscription number, reply subject, and whether it has headers, as refusals have and answers have not."""


class Raw(asyncio.Protocol):
    """One connection. Bodies are skipped: who uses this knows what is in them.

    Args:
        take: called for every message.
        flush: called once after all messages of one read, to write what they brought about.
    """

    def __init__(self, take: Taker, flush: Callable[[], None]) -> None:
        self.ready = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._take = take
        self._flush = flush
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open; the greeting comes by itself."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in deed, not in class
        self.transport.write(_CONNECT)

    def write(self, data: bytes) -> None:
        """Send protocol lines."""
        assert self.transport is not None
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Take every whole message, keep the rest."""
        buffer = self._buffer + data if self._buffer else data
        at, length = 0, len(buffer)
        while (end := buffer.find(b"\r\n", at)) >= 0:
            if buffer[at] in (_MSG, _HMSG):
                words = buffer[at:end].split(b" ")
                after = end + 2 + int(words[-1]) + 2
                if after > length:
                    break
                self._message(words)
            else:
                after = end + 2
                self._line(buffer[at:end])
            at = after
        self._buffer = buffer[at:]
        self._flush()

    def _message(self, words: list[bytes]) -> None:
        headers = words[0] == b"HMSG"
        reply = words[3] if len(words) == (6 if headers else 5) else b""
        self._take(words[1], int(words[2]), reply, headers)

    def _line(self, line: bytes) -> None:
        if line == b"PING":
            self.write(b"PONG\r\n")
        elif line == b"PONG":
            self.ready.set()
        elif line.startswith(b"-ERR"):
            raise ConnectionError(line.decode())


async def connect(url: str, take: Taker, flush: Callable[[], None] = lambda: None) -> Raw:
    """A connection that the server has confirmed."""
    where = urlsplit(url)
    _, raw = await asyncio.get_running_loop().create_connection(
        lambda: Raw(take, flush), where.hostname or "", where.port or 0
    )
    await asyncio.wait_for(raw.ready.wait(), 5)
    return raw
