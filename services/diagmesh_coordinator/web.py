"""A very small HTTP door: a handful of fixed pages for whoever scrapes or probes; bounded in every way.

Requests are parsed by the standard library. One request per connection, no request body, a few connections at a time.
"""

import asyncio
import contextlib
import email.utils
import errno
import http
import io
import logging
import os
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Final, NamedTuple

from diagmesh.errors import SettingsError

__all__ = ["Page", "Web"]

log = logging.getLogger("diagmesh.web")

_MOST_CONNECTIONS: Final = 16
_HEAD_BYTES: Final = 8192
_DEADLINE_S: Final = 5.0
_END: Final = b"\r\n\r\n"


class Page(NamedTuple):
    """What one request gets."""

    body: bytes
    status: http.HTTPStatus = http.HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


class _Head(BaseHTTPRequestHandler):
    """The head of one request, parsed; `error` tells why it is none."""

    def __init__(self, head: bytes) -> None:
        self.rfile = io.BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        self.error: http.HTTPStatus | None = None
        if not self.parse_request() and self.error is None:
            self.error = http.HTTPStatus.BAD_REQUEST

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002  the signature of the standard library
        """Called by the parser."""
        self.error = http.HTTPStatus(code)


class Web:
    """Serves ``pages`` from `open` to `close`.

    Args:
        host: address to listen on.
        port: TCP port; 0 for any free one.
        pages: by path; each is given the ``Accept`` header.
    """

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[str], Page]]) -> None:
        self._host = host
        self._port = port
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._busy = set[asyncio.Task[None]]()

    async def open(self) -> str:
        """Listen; returns the address as a URL.

        Raises:
            SettingsError: nobody can listen there; the message says why.
        """
        try:
            self._server = await asyncio.start_server(self._came, self._host, self._port, limit=_HEAD_BYTES)
        except OSError as error:
            shown = f"{self._host}:{self._port}"
            raise SettingsError(f"metrics: cannot listen on {shown}: {_reason(error)}") from None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def close(self) -> None:
        """Listen no more; whoever is being served is cut off."""
        if self._server is not None:
            self._server.close()
        for task in self._busy:
            task.cancel()
        if self._busy:
            await asyncio.wait(self._busy, timeout=1)

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._busy) >= _MOST_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="web")
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                writer.write(self._answer(await reader.readuntil(_END)))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except asyncio.LimitOverrunError:
            writer.write(_written(Page(b"the head is too long\n", http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)))
            writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            log.debug("a request came to nothing: %s", error)
        finally:
            if not writer.is_closing():
                with contextlib.suppress(OSError):
                    writer.transport.abort()

    def _answer(self, head: bytes) -> bytes:
        asked = _Head(head)
        if asked.error is not None:
            return _written(Page(f"{asked.error.phrase}\n".encode(), asked.error))
        if asked.command not in ("GET", "HEAD"):
            return _written(Page(b"only GET and HEAD\n", http.HTTPStatus.METHOD_NOT_ALLOWED))
        make = self._pages.get(asked.path.partition("?")[0])
        if make is None:
            known = f"not here; pages: {', '.join(self._pages)}\n"
            return _written(Page(known.encode(), http.HTTPStatus.NOT_FOUND))
        try:
            page = make(asked.headers.get("Accept", ""))
        except Exception:
            log.exception("the page %s cannot be made", asked.path[:100])
            page = Page(b"our own fault; see the log\n", http.HTTPStatus.INTERNAL_SERVER_ERROR)
        return _written(page, body=asked.command == "GET")


def _reason(error: OSError) -> str:
    """Why, without the address, which asyncio tells once more."""
    known = error.errno is not None and error.errno in errno.errorcode
    return os.strerror(error.errno or 0).lower() if known else error.strerror or str(error)


def _written(page: Page, *, body: bool = True) -> bytes:
    """The response as bytes."""
    lines = [
        f"HTTP/1.1 {page.status.value} {page.status.phrase}",
        f"Date: {email.utils.formatdate(usegmt=True)}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if page.status is http.HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append("Allow: GET, HEAD")
    return "\r\n".join(lines).encode() + _END + (page.body if body else b"")
