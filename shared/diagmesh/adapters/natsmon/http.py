"""Asks the monitoring endpoint of a nats-server over HTTP, bounded in time and memory."""

import asyncio
import contextlib
import http.client
import io
from collections import deque
from typing import Final

from diagmesh.adapters.web.exchange import Exchange
from diagmesh.adapters.web.given import url
from diagmesh.adapters.web.site import Site
from diagmesh.adapters.web.visit import Fault, Visit
from diagmesh.errors import SettingsError
from diagmesh.monitoring import MonitorReply, Seen, unreachable
from diagmesh.settings import NatsServerSettings

__all__ = ["HttpMonitorDoor"]

_LOOKS_KEPT: Final = 128


class HttpMonitorDoor:
    """The endpoint at the URL of the settings (`diagmesh.monitoring.MonitorDoor`).

    Args:
        settings: where it is.
        where: the key of the table, for messages.

    Raises:
        SettingsError: the URL, a header or the CA bundle is wrong; the message names the key.
    """

    def __init__(self, settings: NatsServerSettings, where: str) -> None:
        at = url(settings.monitor, f"{where}.monitor")
        if "?" in at.path:
            raise SettingsError(f"{where}.monitor: it has no query: http://host:8222, or with the path of a prefix")
        if settings.tls_ca_file and not at.secure:
            raise SettingsError(f"{where}.tls_ca_file: means nothing without an https URL")
        self._site = Site(at, settings.headers, settings.tls_ca_file, where, "diagmesh-server")
        self.place: Final = at.shown.rstrip("/")
        self.past: deque[Seen] = deque(maxlen=_LOOKS_KEPT)

    async def ask(self, path: str, *, timeout_s: float = 2.0, limit_bytes: int = 8 << 20) -> MonitorReply:
        """See `MonitorDoor.ask`."""
        visit = Visit(timeout_s)
        where = f"{self.place}/{path}"
        try:
            async with asyncio.timeout(timeout_s):
                base = self._site.url.path.rstrip("/")
                reply = await self._site.get(visit, lambda plug, got: _read(plug, got, limit_bytes), f"{base}/{path}")
        except Fault as fault:
            raise unreachable(where, fault.reason, fault.fix) from None
        except TimeoutError:
            raise unreachable(where, visit.timed_out().reason) from None
        if reply is None:
            raise unreachable(where, f"its reply is longer than {limit_bytes >> 20} MiB", "ask for less of it")
        return reply

    async def accepts(self, port: int, *, timeout_s: float = 1.0) -> bool:
        """See `MonitorDoor.accepts`."""
        try:
            async with asyncio.timeout(timeout_s):
                _, writer = await asyncio.open_connection(self._site.url.host, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await writer.wait_closed()
        return True


def _read(exchange: Exchange, response: http.client.HTTPResponse, limit_bytes: int) -> MonitorReply | None:
    """The reply, or None when it is too long; blocking."""
    memory = io.BytesIO()
    exchange.copy(response, limit_bytes, memory.write)
    if memory.tell() >= limit_bytes and exchange.goes_on(response):
        return None
    return MonitorReply(response.status, memory.getvalue())
