"""The bus on NATS: one link after the other, our subscriptions over all of them.

nats-py's own reconnect is off. A supervisor makes a new link for every connection and subscribes everything again from
our registry: that one path covers a server that is away at start, a restart, a client that an ``-ERR`` closed for good
and one that is connected but deaf. A new client starts with an empty buffer, so nothing is ever sent late. Attempts are
spaced by a growing bound with full jitter, so that many sidecars do not come back in step.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from diagmesh.bus.core import BusState, Handler, Held, Message, StateChange, Subscription, header_bytes
from diagmesh.bus.inbox import Inboxes, OpenInbox, request
from diagmesh.bus.nats.exposed import exposed
from diagmesh.bus.nats.handshake import why_not
from diagmesh.bus.nats.link import FAILURES, Link
from diagmesh.bus.nats.pool import Pool
from diagmesh.bus.nats.refusals import Refusals
from diagmesh.bus.nats.usable import check_usable, role_of, urls_of
from diagmesh.bus.reasons import explain, redact
from diagmesh.errors import (
    CannotConnect,
    ConnectionLost,
    MessageTooLarge,
    NoAnswer,
    NotConnected,
)
from diagmesh.settings import NatsSettings

__all__ = ["NatsBus"]

log = logging.getLogger("diagmesh.bus")

_BACKOFF_FIRST_S: Final = 0.1
_BACKOFF_MOST_S: Final = 1.0
_STEADY_S: Final = 5.0
"""A connection that lived for so long was a good one: the next attempt need not wait."""
_FLUSH_S: Final = 2.0
_RETIRE_S: Final = 0.3
_STOP_S: Final = 3.0
_DEFAULT_MAX_PAYLOAD: Final = 1024 * 1024


class _Registered:
    """One subscription of ours, over all links that come and go."""

    def __init__(self, bus: "NatsBus", subject: str, handler: Handler, queue: str) -> None:
        self.subject = subject
        self.queue = queue
        self.handler = handler
        self.link: Link | None = None
        self.native: Any = None
        self._bus = bus

    async def unsubscribe(self) -> None:
        """See `diagmesh.bus.core.Subscription.unsubscribe`."""
        await self._bus._drop(self)


class NatsBus:
    """One supervised connection; implements `diagmesh.bus.core.Bus`.

    Args:
        settings: where and as whom to connect.
        name: what the server's connection list calls us (``diag/<service>/<instance>``).
    """

    def __init__(self, settings: NatsSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._pool = Pool(urls_of(settings))
        self._inboxes = Inboxes(settings.inbox_prefix)
        self._refusals = Refusals(self._inboxes, role_of(settings))
        self._mux: Subscription | None = None
        self._registry: list[_Registered] = []
        self._link: Link | None = None
        self._state = StateChange(BusState.CONNECTING)
        self._listeners: list[Callable[[StateChange], None]] = []
        self._supervisor: asyncio.Task[None] | None = None
        self._attempts = 0
        self._trouble = ""
        self._dropped = 0
        self._backoff_s = _BACKOFF_FIRST_S

    # --- coming up and going away

    @classmethod
    async def connect(cls, settings: NatsSettings, name: str, *, timeout_s: float = 5.0) -> Self:
        """Connect now or say why not; for programs that are of no use without a connection.

        Raises:
            CannotConnect: each server was tried once, or ``timeout_s`` has passed; with the reason.
            SettingsError: as `start`.
        """
        bus = cls(settings, name)
        bus.start()
        settled = asyncio.Event()
        stop = bus.watch(lambda _: settled.set())
        try:
            async with asyncio.timeout(timeout_s):
                while bus._state.state is not BusState.CONNECTED and bus._attempts < len(bus._pool.named):
                    await settled.wait()
                    settled.clear()
        except TimeoutError:
            pass
        except BaseException:
            await bus.close()
            raise
        finally:
            stop()
        if bus._state.state is BusState.CONNECTED:
            return bus
        reason = bus._trouble or why_not(TimeoutError(), settings, {})
        await bus.close()
        raise CannotConnect(f"cannot connect to {', '.join(map(redact, bus._pool.named))}: {reason}")

    def start(self) -> None:
        """Begin to connect, and go on trying for as long as the bus is open; a server that is away raises nothing.

        Raises:
            SettingsError: the settings can never work (no URL, no usable credentials file).
        """
        check_usable(self._settings)
        if self._supervisor is None:
            for warning in exposed(self._settings):
                log.warning("%s: %s", self._name, warning)
            self._supervisor = asyncio.get_running_loop().create_task(self._supervise(), name=f"nats {self._name}")

    async def close(self, timeout_s: float = 2.0) -> None:
        """See `diagmesh.bus.core.Bus.close`."""
        if self._state.state is BusState.CLOSED:
            return
        if self._link is not None and self._link.alive:
            await self._link.flush(timeout_s)
        self._changed(StateChange(BusState.CLOSED, "closed by us"))
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor}, timeout=_STOP_S)

    # --- the supervisor

    async def _supervise(self) -> None:
        while True:
            url = self._pool.next()
            link = Link(self._settings, self._name, url, self._refused)
            try:
                await self._live(link, url)
            except Exception as error:
                # Whatever goes wrong with one connection, the next is tried; a bus that has given up helps nobody.
                log.exception("a connection to %s failed in a way that is not known to us", redact(url))
                self._failed(link.reason or explain(error), url)
            finally:
                self._link = None
                self._dropped += link.dropped
                await link.discard()
            await asyncio.sleep(random.uniform(0, self._backoff_s))  # noqa: S311  jitter, no secret
            self._backoff_s = min(_BACKOFF_MOST_S, self._backoff_s * 2)

    async def _live(self, link: Link, url: str) -> None:
        try:
            await link.open()
        except FAILURES as error:
            self._failed(link.reason or explain(error), url)
            return
        loop = asyncio.get_running_loop()
        since = loop.time()
        self._refusals.begin()
        self._link = link
        for registered in list(self._registry):
            await self._attach(registered, link)
        await link.flush(_FLUSH_S)
        if not link.alive:  # it ended for something that we asked for, as with too many subscriptions
            self._link = None
            self._failed(link.reason or "the connection broke at once", url)
            return
        self._changed(StateChange(BusState.CONNECTED, self._refusals.lasting))
        await link.until_lost(lambda: self._learned(link).has_other_than(url))
        self._learned(link)
        await self._retire(link)
        if loop.time() - since > _STEADY_S:
            self._backoff_s = _BACKOFF_FIRST_S
        self._changed(StateChange(BusState.RECONNECTING, link.reason or "the connection broke"))

    def _learned(self, link: Link) -> Pool:
        self._pool.learn(link.discovered())  # a server tells of its peers when they come
        return self._pool

    async def _retire(self, link: Link) -> None:
        """From a server that is about to stop: take no more questions there, and let those in work be answered."""
        if link.leaving and link.alive:
            mine = [one for one in self._registry if one.link is link and one.subject != self._inboxes.subject]
            await asyncio.gather(*(link.unsubscribe(one.native) for one in mine))
            await asyncio.sleep(_RETIRE_S)

    def _failed(self, reason: str, url: str) -> None:
        never = self._state.state is BusState.CONNECTING
        self._attempts += 1
        self._trouble = reason
        state = BusState.CONNECTING if never else BusState.RECONNECTING
        self._changed(StateChange(state, f"{reason} [{redact(url)}]"))

    def _refused(self, action: str, subject: str) -> None:
        # We are connected, and yet not there for whoever asks: that must be seen wherever the state is.
        if self._refusals.hear(action, subject) and self._state.state is BusState.CONNECTED:
            self._changed(StateChange(BusState.CONNECTED, self._refusals.lasting))

    def _changed(self, change: StateChange) -> None:
        before = self._state
        if before.state is BusState.CLOSED:
            return
        self._state = change
        if before.state is BusState.CONNECTED and change.state is not BusState.CONNECTED:
            self._inboxes.all_in_trouble(ConnectionLost(f"the connection broke: {change.reason}"))
        if change != before:
            level = logging.INFO if change.state in (BusState.CONNECTED, BusState.CLOSED) else logging.WARNING
            why = f": {change.reason}" if change.reason else ""
            log.log(level, "%s: %s%s", self._name, change.state, why)
        for listener in list(self._listeners):
            try:
                listener(change)
            except Exception:  # it is somebody else's, and must not cost the connection
                log.exception("a listener to the state of the connection failed")

    # --- what everybody else sees

    @property
    def state(self) -> StateChange:
        """See `diagmesh.bus.core.Bus.state`."""
        return self._state

    @property
    def server(self) -> str:
        """See `diagmesh.bus.core.Bus.server`."""
        return self._link.server if self._link is not None and self._state.state is BusState.CONNECTED else ""

    @property
    def dropped(self) -> int:
        """See `diagmesh.bus.core.Bus.dropped`."""
        return self._dropped + (self._link.dropped if self._link is not None else 0)

    @property
    def held(self) -> Held:
        """See `diagmesh.bus.core.Bus.held`."""
        return Held(len(self._registry), len(self._inboxes))

    @property
    def max_payload(self) -> int:
        """See `diagmesh.bus.core.Bus.max_payload`."""
        return self._link.max_payload if self._link is not None else _DEFAULT_MAX_PAYLOAD

    def _usable(self, *, to_ask: bool) -> Link:
        """The connection; while its subscriptions are being confirmed it takes answers, but no questions.

        The subscriptions bring questions already; the replies to ours might still find nobody listening.
        """
        link = self._link
        if link is None or not link.alive or (to_ask and self._state.state is not BusState.CONNECTED):
            raise NotConnected(f"not sent: not connected to NATS ({self._state.reason or self._state.state})")
        return link

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """See `diagmesh.bus.core.Bus.publish`."""
        link = self._usable(to_ask=bool(reply))
        size = len(data) + header_bytes(headers)
        if size > link.max_payload:  # the server would end the connection for it, headers counted
            raise MessageTooLarge(f"{size} bytes for {subject}; the server takes {link.max_payload}")
        # An inbox may be named in a header, too: that of a trace is.
        if any(map(self._inboxes.owns, (reply, *(headers or {}).values()))):
            self._refusals.check_heard()
            if self._mux is None:
                self._mux = await self.subscribe(self._inboxes.subject, self._inboxes.deliver)
        await link.publish(subject, data, reply, headers)

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """See `diagmesh.bus.core.Bus.subscribe`."""
        registered = _Registered(self, subject, handler, queue)
        self._registry.append(registered)
        if self._link is not None:
            await self._attach(registered, self._link)
        return registered

    async def _attach(self, registered: _Registered, link: Link) -> None:
        if registered.link is not link:
            registered.link = link
            registered.native = await link.subscribe(registered.subject, registered.queue, registered.handler)

    async def _drop(self, registered: _Registered) -> None:
        if registered in self._registry:
            self._registry.remove(registered)
            if registered.link is not None and registered.link is self._link:
                await registered.link.unsubscribe(registered.native)

    def open_inbox(self, handler: Handler, on_trouble: Callable[[Exception], None]) -> OpenInbox:
        """See `diagmesh.bus.core.Bus.open_inbox`."""
        return self._inboxes.open(handler, on_trouble)

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Message:
        """See `diagmesh.bus.core.Bus.request`."""
        return await request(self._inboxes, self, subject, data, timeout_s, headers)

    def watch(self, listener: Callable[[StateChange], None]) -> Callable[[], None]:
        """See `diagmesh.bus.core.Bus.watch`."""
        self._listeners.append(listener)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    async def barrier(self, timeout_s: float = 2.0) -> None:
        """See `diagmesh.bus.core.Bus.barrier`."""
        if not await self._usable(to_ask=True).flush(timeout_s):
            raise NoAnswer(f"the server did not confirm within {timeout_s:g} s")
