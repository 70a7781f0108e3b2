"""Telling the mesh that we are here (heartbeats, ``bye``) and what happened (events)."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from diagmesh.bus.core import Bus, BusState, StateChange
from diagmesh.contract.codec import encode
from diagmesh.contract.presence import Event, Heartbeat
from diagmesh.contract.subjects import event, heartbeat
from diagmesh.contract.wire import WIRE_VERSION
from diagmesh.errors import BusError

__all__ = ["Events", "Heartbeats"]

log = logging.getLogger("diagmesh.presence")

_JITTER: Final = 0.1
_EVENT_PACE_S: Final = 1.0
_MOST_EVENT_KINDS: Final = 32
_MOST_ALIKE: Final = 8


class Heartbeats:
    """Publishes ``diagev.hb.<service>.<instance>``: steadily, at once after each connection, and ``bye`` at the end.

    Args:
        bus: where they go; nothing is sent while it is not connected.
        service: the service token.
        instance: the instance token.
        beat: the content, asked afresh each time (count, pace, server and ``bye`` are filled in here).
        interval_s: the pace.
    """

    def __init__(
        self, bus: Bus, service: str, instance: str, beat: Callable[[], Heartbeat], *, interval_s: float
    ) -> None:
        self._bus = bus
        self._interval_s = interval_s
        self._subject = heartbeat(service, instance)
        self._beat = beat
        self._n = 0
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Beat until cancelled."""
        stop = self._bus.watch(self._state_changed)
        try:
            while True:
                self._hurry.clear()
                try:
                    await self.send()
                except Exception:
                    log.exception("a heartbeat failed")  # the next may not: without them we would count as lost
                interval_s = self._interval_s
                try:
                    async with asyncio.timeout(interval_s * random.uniform(1 - _JITTER, 1)):  # noqa: S311  jitter
                        await self._hurry.wait()
                except TimeoutError:
                    continue
        finally:
            stop()

    def _state_changed(self, change: StateChange) -> None:
        if change.state is BusState.CONNECTED:
            self._hurry.set()

    async def send(self, *, bye: bool = False) -> None:
        """One heartbeat now; while there is no connection none is sent (a late one would lie)."""
        beat = msgspec.structs.replace(
            self._beat(), n=self._n + 1, interval_s=self._interval_s, server=self._bus.server, bye=bye
        )
        try:
            await self._bus.publish(self._subject, encode(beat))
        except BusError:
            return  # the next connection hurries the next beat
        self._n += 1


class Events:
    """Tells what happened on ``diagev.ev.<service>.<kind>``: the same at most once a second, the rest counted.

    Of a kind up to eight different things a second; what is beyond is counted with the last of them, so that whoever
    causes events of many words takes no room from others.
    """

    def __init__(self, bus: Bus, service: str, instance: str, boot: str) -> None:
        self._bus = bus
        self._service = service
        self._instance = instance
        self._boot = boot
        self._waiting: dict[str, dict[str, Event]] = {}
        self._something = asyncio.Event()
        self.lost = 0

    def emit(self, kind: str, what: str) -> None:
        """Note an event; never blocks. Above 32 kinds waiting at a time, further ones are counted as lost."""
        if kind not in self._waiting and len(self._waiting) >= _MOST_EVENT_KINDS:
            self.lost += 1
            return
        self._wait(
            Event(
                v=WIRE_VERSION,
                service=self._service,
                instance=self._instance,
                boot=self._boot,
                kind=kind,
                at=datetime.now(UTC),
                what=what,
            )
        )

    def _wait(self, one: Event) -> None:
        """Let it wait; with what is the same, or is too much of its kind, it is counted as one."""
        alike = self._waiting.setdefault(one.kind, {})
        known = alike.pop(one.what, None)
        if known is None and len(alike) >= _MOST_ALIKE:
            _, known = alike.popitem()
        if known is not None:
            one = msgspec.structs.replace(one, at=max(one.at, known.at), count=one.count + known.count)
        alike[one.what] = one
        self._something.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._something.wait()
            self._something.clear()
            try:
                await self.flush()
            except Exception:
                log.exception("an event could not be told")
            await asyncio.sleep(_EVENT_PACE_S)

    async def flush(self) -> None:
        """Send what waits; what cannot be sent is kept for the next connection."""
        for kind, what in [(kind, what) for kind, alike in self._waiting.items() for what in alike]:
            one = self._taken(kind, what)
            if one is None:
                continue  # counted with another one meanwhile
            try:
                await self._bus.publish(event(self._service, kind), encode(one))
            except BusError:
                self._wait(one)
                return

    def _taken(self, kind: str, what: str) -> Event | None:
        alike = self._waiting.get(kind, {})
        one = alike.pop(what, None)
        if not alike:
            self._waiting.pop(kind, None)
        return one
