"""The bus as everybody else sees it: a protocol with one implementation on NATS and one in memory."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

__all__ = [
    "Bus",
    "BusState",
    "Entry",
    "Handler",
    "Held",
    "Message",
    "StateChange",
    "Store",
    "Subscription",
    "header_bytes",
]


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message as it arrived. ``headers`` keep the case of their names; None when there are none."""

    subject: str
    data: bytes
    reply: str = ""
    headers: Mapping[str, str] | None = None

    @property
    def no_responders(self) -> bool:
        """Whether this is the server's word that nobody listens (status 503 with an empty body)."""
        return not self.data and self.headers is not None and self.headers.get("Status") == "503"


Handler = Callable[[Message], None]
"""Called at once for every message, in order; must return quickly and hand work to a task of its own."""


def header_bytes(headers: Mapping[str, str] | None) -> int:
    """Bytes that headers take on the wire (version line, ``name: value`` lines, blank line)."""
    if not headers:
        return 0
    return 12 + sum(len(name.encode()) + len(value.encode()) + 4 for name, value in headers.items())


class BusState(StrEnum):
    """Where the connection stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


class StateChange(msgspec.Struct, frozen=True, gc=False):
    """A change of the connection, with the reason in words (empty when it is well)."""

    state: BusState
    reason: str = ""


class Held(msgspec.Struct, frozen=True, gc=False):
    """What a bus holds for us: subscriptions, and inboxes of gathers and requests that still wait."""

    subscriptions: int
    inboxes: int


class Subscription(Protocol):
    """Something that can be ended."""

    async def unsubscribe(self) -> None:
        """End it; messages already here are still handed to the handler. Safe to call twice."""
        ...


class Bus(Protocol):
    """One connection to the mesh.

    Nothing is ever sent late: what cannot be sent now raises `NotConnected`.
    """

    @property
    def state(self) -> StateChange:
        """Where the connection stands now, and why."""
        ...

    @property
    def server(self) -> str:
        """Name of the server we are connected to; empty while not connected."""
        ...

    @property
    def dropped(self) -> int:
        """Messages that could not be read, and were lost for that (since the start)."""
        ...

    @property
    def held(self) -> Held:
        """How many subscriptions and open inboxes there are now: both must not grow."""
        ...

    @property
    def max_payload(self) -> int:
        """Largest message (headers and body, bytes) that the server takes."""
        ...

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send one message now.

        Raises:
            NotConnected: there is no connection at this moment.
            MessageTooLarge: body and headers are above `max_payload`.
        """
        ...

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """Listen, also over every later connection, until `Subscription.unsubscribe`."""
        ...

    def open_inbox(self, handler: Handler, on_trouble: Callable[[Exception], None]) -> "Inbox":
        """Reply subjects below one long-lived wildcard inbox; nothing is subscribed per request.

        ``on_trouble`` hears, at most once per cause, what makes waiting pointless: `ConnectionLost`, or `NotPermitted`
        for a subject that was asked through this inbox.
        """
        ...

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Message:
        """Ask and wait for the first reply; one that comes in chunks is put together.

        Raises:
            NoResponders: nobody listens.
            NoAnswer: nothing came within ``timeout_s``.
            NotConnected: not sent.
            ConnectionLost: sent, then the connection broke.
            NotPermitted: the server refused the subject.
            MessageTooLarge: above `max_payload`.
            Unreadable: the reply came in chunks that do not belong together.
        """
        ...

    def watch(self, listener: Callable[[StateChange], None]) -> Callable[[], None]:
        """Tell ``listener`` every change of `state`; returns the function that ends it."""
        ...

    async def barrier(self, timeout_s: float = 2.0) -> None:
        """Wait until the server has processed everything sent so far (subscriptions above all).

        Raises:
            NoAnswer: the server did not confirm in time.
            NotConnected: there is no connection.
        """
        ...

    async def close(self, timeout_s: float = 2.0) -> None:
        """Flush what was sent, then end the connection; bounded. Safe to call twice."""
        ...


class Inbox(Protocol):
    """A handful of reply subjects that belong together (one gather, one request)."""

    def reply_to(self, token: int, subject: str) -> str:
        """The reply subject for a question about to go out on ``subject``; its last token is ``token``."""
        ...

    def close(self) -> None:
        """Forget it; later arrivals are dropped."""
        ...


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One value as it lies in a store; ``value`` is empty where it was deleted or has expired."""

    key: str
    value: bytes
    revision: int


class Store(Protocol):
    """A small bucket of keys and values that outlives its writers. Nothing is retried, every wait is bounded."""

    async def open(self) -> str:
        """Make the bucket where it is missing, mend it where it lacks something; safe to call again.

        Returns:
            What tells this bucket from another one made later under its name.

        Raises:
            StoreUnavailable: with the reason.
            BusError: as `Bus.request`.
        """
        ...

    async def read(self, after: int = 0) -> list[Entry]:
        """Every key that was written after that revision, with its last value, the oldest first.

        Raises:
            StoreUnavailable: with the reason.
            BusError: as `Bus.request`.
        """
        ...

    async def put(self, key: str, value: bytes, *, last: int, ttl_s: int) -> int:
        """Write, if nobody has written since revision ``last`` (0: if there is no such key); returns the new revision.

        The value goes away by itself ``ttl_s`` seconds later, unless it is written again.

        Raises:
            StoreConflict: somebody has.
            StoreUnavailable: with the reason.
            BusError: as `Bus.request`.
        """
        ...
