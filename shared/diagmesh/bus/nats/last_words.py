"""Why a server hung up on us: its words are often lost with the connection, so they are listened for once more."""

import asyncio
import contextlib
import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["error_in", "last_words"]

_LISTEN_S: Final = 0.5
_MOST_BYTES: Final = 16 * 1024
_DEFAULT_PORT: Final = 4222
_ERROR: Final = re.compile(rb"^-ERR '([^'\r\n]{1,200})'", re.MULTILINE)


async def last_words(url: str) -> str:
    """What a server says to whoever says nothing, if that is an error; empty otherwise. Bounded; sends nothing.

    A server that is full writes the reason and closes, and what we sent meanwhile resets the connection before it is
    read.
    """
    parts = urlsplit(url if "//" in url else f"nats://{url}")
    heard = bytearray()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LISTEN_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or _DEFAULT_PORT)
            try:
                while len(heard) < _MOST_BYTES and (more := await reader.read(4096)):
                    heard += more
            finally:
                writer.close()
    return error_in(bytes(heard))


def error_in(heard: bytes) -> str:
    """The first error among the words of a server, at most 200 characters; empty without one."""
    found = _ERROR.search(heard)
    return found[1].decode(errors="replace") if found is not None else ""
