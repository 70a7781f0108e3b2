"""A bus without a server, for unit tests of ours and of third-party agents: same contract, same refusals."""

import asyncio
import itertools
import random
from collections.abc import Callable, Mapping
from typing import Final

from diagmesh.bus.core import BusState, Handler, Held, Message, StateChange, Subscription, header_bytes
from diagmesh.bus.inbox import Inboxes, OpenInbox, request
from diagmesh.contract.subjects import matches
from diagmesh.errors import ConnectionLost, MessageTooLarge, NotConnected

__all__ = ["MemoryBus", "MemoryServer"]

_DEFAULT_MAX_PAYLOAD: Final = 1024 * 1024


class MemoryServer:
    """What the buses of one test are connected to; can be cut off and healed."""

    def __init__(self, name: str = "memory", max_payload: int = _DEFAULT_MAX_PAYLOAD) -> None:
        self.name = name
        self.max_payload = max_payload
        self.up = True
        self._buses: list[MemoryBus] = []
        self._subscriptions: dict[int, _MemorySubscription] = {}
        self._ids = itertools.count()

    def bus(self, inbox_prefix: str = "_INBOX") -> "MemoryBus":
        """A new connection."""
        bus = MemoryBus(self, inbox_prefix)
        if not self.up:
            bus._changed(StateChange(BusState.RECONNECTING, "the test cut the connection"))
        self._buses.append(bus)
        return bus

    def cut(self) -> None:
        """Every connection breaks."""
        self.up = False
        for bus in self._buses:
            bus._changed(StateChange(BusState.RECONNECTING, "the test cut the connection"))

    def heal(self) -> None:
        """Every connection comes back, with its subscriptions."""
        self.up = True
        for bus in self._buses:
            bus._changed(StateChange(BusState.CONNECTED))

    def _attach(self, subscription: "_MemorySubscription") -> int:
        number = next(self._ids)
        self._subscriptions[number] = subscription
        return number

    def _detach(self, number: int) -> None:
        self._subscriptions.pop(number, None)

    def _route(self, message: Message, sender: "MemoryBus") -> None:
        hits = [s for s in self._subscriptions.values() if matches(s.subject, message.subject)]
        if not hits and message.reply:
            status = Message(message.reply, b"", "", {"Status": "503"})
            asyncio.get_running_loop().call_soon(self._route, status, sender)
            return
        groups: dict[str, list[_MemorySubscription]] = {}
        for hit in hits:
            if hit.queue:
                groups.setdefault(hit.queue, []).append(hit)
            else:
                hit.take(message)
        for members in groups.values():
            random.choice(members).take(message)  # noqa: S311  which member of a queue group answers is no secret


class _MemorySubscription:
    def __init__(self, server: MemoryServer, subject: str, handler: Handler, queue: str) -> None:
        self.subject = subject
        self.queue = queue
        self._handler = handler
        self._server = server
        self._number = server._attach(self)

    def take(self, message: Message) -> None:
        asyncio.get_running_loop().call_soon(self._handler, message)

    @property
    def attached(self) -> bool:
        return self._number in self._server._subscriptions

    async def unsubscribe(self) -> None:
        self._server._detach(self._number)


class MemoryBus:
    """One connection to a `MemoryServer`; implements `diagmesh.bus.core.Bus`."""

    def __init__(self, server: MemoryServer, inbox_prefix: str = "_INBOX") -> None:
        self._server = server
        self._inboxes = Inboxes(inbox_prefix)
        self._state = StateChange(BusState.CONNECTED)
        self._listeners: list[Callable[[StateChange], None]] = []
        self._subscriptions: list[_MemorySubscription] = []
        self._mux: Subscription | None = None

    @property
    def state(self) -> StateChange:
        """See `diagmesh.bus.core.Bus.state`."""
        return self._state

    @property
    def server(self) -> str:
        """See `diagmesh.bus.core.Bus.server`."""
        return self._server.name if self._state.state is BusState.CONNECTED else ""

    @property
    def dropped(self) -> int:
        """See `diagmesh.bus.core.Bus.dropped`: here nothing is."""
        return 0

    @property
    def held(self) -> Held:
        """See `diagmesh.bus.core.Bus.held`."""
        return Held(sum(one.attached for one in self._subscriptions), len(self._inboxes))

    @property
    def max_payload(self) -> int:
        """See `diagmesh.bus.core.Bus.max_payload`."""
        return self._server.max_payload

    def _check(self) -> None:
        if self._state.state is not BusState.CONNECTED:
            raise NotConnected(f"not sent: {self._state.reason or self._state.state}")

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """See `diagmesh.bus.core.Bus.publish`."""
        self._check()
        if (size := len(data) + header_bytes(headers)) > self.max_payload:
            raise MessageTooLarge(f"{size} bytes for {subject}; the server takes {self.max_payload}")
        if self._mux is None and any(map(self._inboxes.owns, (reply, *(headers or {}).values()))):
            self._mux = await self.subscribe(self._inboxes.subject, self._inboxes.deliver)
        self._server._route(Message(subject, data, reply, headers), self)

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """See `diagmesh.bus.core.Bus.subscribe`."""
        subscription = _MemorySubscription(self._server, subject, handler, queue)
        self._subscriptions.append(subscription)
        return subscription

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
        return lambda: self._listeners.remove(listener)

    async def barrier(self, timeout_s: float = 2.0) -> None:  # noqa: ARG002  nothing here takes time
        """See `diagmesh.bus.core.Bus.barrier`."""
        self._check()
        await asyncio.sleep(0)

    async def close(self, timeout_s: float = 2.0) -> None:  # noqa: ARG002  nothing here takes time
        """See `diagmesh.bus.core.Bus.close`."""
        if self._state.state is BusState.CLOSED:
            return
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        self._changed(StateChange(BusState.CLOSED, "closed by us"))

    def _changed(self, change: StateChange) -> None:
        if self._state.state is BusState.CLOSED:
            return
        self._state = change
        if change.state is not BusState.CONNECTED:
            self._inboxes.all_in_trouble(ConnectionLost(f"the connection broke: {change.reason}"))
        for listener in list(self._listeners):
            listener(change)
