"""The HTTP door of a demo service: GET /healthz, and nothing else."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

__all__ = ["Door", "Health"]

_REQUEST_LIMIT_BYTES: Final = 8 * 1024
_PATIENCE_S: Final = 2.0
_VISITORS: Final = 32
_PHRASES: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/healthz`` says of the service.

    Args:
        status: ``ok`` or ``failing``.
        reason: why it is failing.
        requests: handled since the start.
        errors: of these, the failed ones.
    """

    status: str
    reason: str = ""
    requests: int = 0
    errors: int = 0


class Door:
    """A tiny HTTP server on loopback; one request per connection, bounded in size, time and number."""

    def __init__(self, health: Callable[[], Health]) -> None:
        self._health = health
        self._server: asyncio.Server | None = None
        self._visitors = asyncio.Semaphore(_VISITORS)

    async def open(self, port: int) -> int:
        """Listen on a loopback port (0: any free one); returns the port."""
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", port, limit=_REQUEST_LIMIT_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self._visitors.locked():
                async with self._visitors, asyncio.timeout(_PATIENCE_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(head.split(b"\r\n", 1)[0]))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a visitor who goes away, dawdles or talks too much gets no answer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, request_line: bytes) -> bytes:
        method, _, rest = request_line.partition(b" ")
        if rest.split(b" ", 1)[0].split(b"?", 1)[0] != b"/healthz":
            return _response(404, b'{"error":"the only page is /healthz"}')
        if method != b"GET":
            return _response(405, b'{"error":"GET only"}')
        health = self._health()
        return _response(200 if health.status == "ok" else 503, msgspec.json.encode(health))


def _response(code: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {code} {_PHRASES[code]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
