"""The coordinator's HTTP door: ``/metrics`` for Prometheus, ``/livez`` and ``/readyz`` for whoever probes."""

import asyncio
import http
import logging
from typing import Self

from diagmesh.accept import listening_at
from diagmesh.bus.core import Bus, BusState
from diagmesh_coordinator.loop_lag import watch_lag
from diagmesh_coordinator.metrics import Metrics
from diagmesh_coordinator.web import Page, Web

__all__ = ["Telling"]

log = logging.getLogger("diagmesh.coordinator")


class Telling:
    """Serves metrics while it is entered.

    Args:
        metrics: what is told.
        bus: our connection: without it we are not ready.
        where: ``HOST:PORT`` or ``PORT``.

    Raises:
        SettingsError: that is no address; on entering: nobody can listen there.
    """

    def __init__(self, metrics: Metrics, bus: Bus, where: str) -> None:
        self._metrics = metrics
        self._bus = bus
        host, port = listening_at(where)
        self._web = Web(host, port, {"/metrics": self._page, "/livez": self._live, "/readyz": self._ready})
        self._lag: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        log.info("metrics at %s/metrics", await self._web.open())
        self._lag = asyncio.get_running_loop().create_task(watch_lag(self._metrics.lag.observe), name="loop lag")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._lag is not None:
            self._lag.cancel()
            await asyncio.wait({self._lag})
        await self._web.close()

    def _page(self, accept: str) -> Page:
        content_type, body = self._metrics.page(accept)
        return Page(body, content_type=content_type)

    def _live(self, _: str) -> Page:
        """That this is answered is the answer: the event loop turns."""
        return Page(b"live\n")

    def _ready(self, _: str) -> Page:
        state = self._bus.state
        if state.state is BusState.CONNECTED and not state.reason:
            return Page(b"ready\n")
        words = f"not ready: {state.state}{f': {state.reason}' if state.reason else ''}\n"
        return Page(words.encode(), http.HTTPStatus.SERVICE_UNAVAILABLE)
