"""The bus on NATS. The only module that imports nats-py, and the place where its traps are guarded.

One `nats.aio.client.Client` is one connection here: nats-py's own reconnect is off, a supervisor builds a new client
for every connection and subscribes everything again from our registry. That one path covers a server that is away at
start, a restart, a client that an ``-ERR`` closed for good, and a client that is connected but deaf; and since a new
client starts with an empty buffer, nothing that was meant for the old connection is ever sent late.

Guards: a flush is never cancelled nor timed out (its late PONG would end the read loop); every callback is total; a
closed client is replaced; back-off has full jitter; the reason is taken from the error callback and told; nothing is
published while disconnected; waiting requests hear of a broken connection; handlers are synchronous and hand their
work to tasks; pending queues are bounded; sizes are checked with headers (above max_payload the server ends the
connection).
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from diagmesh.bus.core import BusState, Handler, Message, StateChange, Subscription, header_bytes
from diagmesh.bus.inbox import Inboxes, OpenInbox, request
from diagmesh.bus.reasons import explain, permission_subject, redact
from diagmesh.errors import CannotConnect, ConnectionLost, MessageTooLarge, NoAnswer, NotConnected, NotPermitted
from diagmesh.settings import NatsSettings

__all__ = ["NatsBus"]

log = logging.getLogger("diagmesh.bus")

_PING_INTERVAL_S: Final = 5
_PINGS_OUTSTANDING: Final = 2
_WATCH_S: Final = 0.25
_BACKOFF_FIRST_S: Final = 0.1
_BACKOFF_MOST_S: Final = 1.0
_DISCARD_S: Final = 1.0
_PENDING_MESSAGES: Final = 65_536
_PENDING_BYTES: Final = 64 * 1024 * 1024
_NEVER_S: Final = 365 * 86_400
_DEFAULT_MAX_PAYLOAD: Final = 1024 * 1024


class _Registered:
    """One subscription of ours, over all clients that come and go."""

    def __init__(self, bus: "NatsBus", subject: str, handler: Handler, queue: str) -> None:
        self.subject = subject
        self.queue = queue
        self.client: Client | None = None
        self.native: Any = None
        self._handler = handler
        self._bus = bus

    async def deliver(self, message: Msg) -> None:
        """Total on purpose: a cancellation that leaks from here would end the subscription silently."""
        try:
            self._handler(Message(message.subject, message.data, message.reply, message.headers))
        except Exception:
            log.exception("a handler of %s failed", self.subject)

    async def unsubscribe(self) -> None:
        """See `diagmesh.bus.core.Subscription.unsubscribe`."""
        await self._bus._drop(self)


class NatsBus:
    """One supervised connection; implements `diagmesh.bus.core.Bus`."""

    def __init__(self, settings: NatsSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._urls = [url.strip() for url in settings.url.split(",") if url.strip()]
        self._discovered: list[str] = []
        self._inboxes = Inboxes(settings.inbox_prefix)
        self._registry: list[_Registered] = []
        self._mux: Subscription | None = None
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._state = StateChange(BusState.CONNECTING)
        self._listeners: list[Callable[[StateChange], None]] = []
        self._supervisor: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._last_error = ""
        self._attempts = 0
        self.dropped = 0

    # --- coming up and going away

    @classmethod
    async def connect(cls, settings: NatsSettings, name: str, *, timeout_s: float = 5.0) -> Self:
        """Connect now or say why not; for programs that are of no use without a connection.

        Raises:
            CannotConnect: each server was tried once, or ``timeout_s`` has passed; with the reason.
        """
        bus = cls(settings, name)
        bus.start()
        settled = asyncio.Event()
        stop = bus.watch(lambda _: settled.set())
        try:
            async with asyncio.timeout(timeout_s):
                while bus._state.state is not BusState.CONNECTED and bus._attempts < len(bus._urls):
                    await settled.wait()
                    settled.clear()
        except TimeoutError:
            pass
        finally:
            stop()
        if bus._state.state is BusState.CONNECTED:
            return bus
        reason = bus._state.reason or f"no answer within {timeout_s:g} s"
        await bus.close()
        raise CannotConnect(f"cannot connect to {', '.join(map(redact, bus._urls))}: {reason}")

    def start(self) -> None:
        """Begin to connect, and go on trying for as long as the bus is open; never raises for a server that is away.

        Raises:
            CannotConnect: the settings can never work (no URL, credentials file missing).
        """
        self._check_settings()
        if self._supervisor is None:
            self._supervisor = asyncio.get_running_loop().create_task(self._supervise(), name="nats-supervisor")

    def _check_settings(self) -> None:
        if not self._urls:
            raise CannotConnect("no server URL: set nats.url, DIAGMESH_NATS__URL or --nats")
        for url in self._urls:
            try:
                fine = bool(urlsplit(url if "//" in url else f"nats://{url}").hostname)
                _ = urlsplit(url if "//" in url else f"nats://{url}").port
            except ValueError:
                fine = False
            if not fine:
                raise CannotConnect("the server URL is malformed; it looks like nats://host:4222")
        for what, path in (("nkey_file", self._settings.nkey_file), ("creds_file", self._settings.creds_file)):
            try:
                if path:
                    Path(path).open("rb").close()
            except OSError as error:
                raise CannotConnect(f"cannot read {what} {path}: {error.strerror}") from None

    async def close(self, timeout_s: float = 2.0) -> None:
        """See `diagmesh.bus.core.Bus.close`."""
        if self._state.state is BusState.CLOSED:
            return
        client = self._client
        if client is not None and client.is_connected:
            with contextlib.suppress(NoAnswer, NotConnected):
                await self.barrier(timeout_s)
        self._changed(StateChange(BusState.CLOSED, "closed by us"))
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor}, timeout=timeout_s + _DISCARD_S)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    # --- the supervisor: one client after the other

    async def _supervise(self) -> None:
        client: Client | None = None
        try:
            while True:
                url = self._next_url()
                self._attempts += 1
                self._lost.clear()
                client = Client()
                try:
                    await self._open(client, url)
                except (OSError, nats.errors.Error, TimeoutError, ValueError) as error:
                    self._failed(url, self._last_error or explain(error))
                else:
                    self._backoff_s = _BACKOFF_FIRST_S
                    await self._until_lost(client)
                    self._changed(StateChange(BusState.RECONNECTING, self._last_error or "the connection broke"))
                self._client = None
                await self._discard(client)
                await asyncio.sleep(random.uniform(0, self._backoff()))  # noqa: S311  jitter, no secret
        finally:
            self._client = None
            if client is not None:
                await self._discard(client)

    _backoff_s: float = _BACKOFF_FIRST_S

    def _backoff(self) -> float:
        """Full jitter below a bound that doubles: many clients do not come back in step."""
        now = self._backoff_s
        self._backoff_s = min(_BACKOFF_MOST_S, now * 2)
        return now

    def _next_url(self) -> str:
        pool = self._urls + [url for url in self._discovered if url not in self._urls]
        return pool[self._attempts % len(pool)]

    async def _open(self, client: Client, url: str) -> None:
        self._last_error = ""
        await client.connect(
            **self._credentials(),
            servers=[url],
            name=self._name,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=self._settings.connect_timeout_s,  # type: ignore[arg-type]  # annotated int, used as float
            ping_interval=_PING_INTERVAL_S,
            max_outstanding_pings=_PINGS_OUTSTANDING,
            inbox_prefix=self._settings.inbox_prefix,
            error_cb=self._on_error,
            closed_cb=self._on_closed,
            disconnected_cb=self._on_closed,
        )
        if url.startswith("tls:") and not _encrypted(client):
            raise ValueError("the server does not speak TLS, so nothing is sent there; use nats:// if that is intended")
        self._client = client
        for registered in list(self._registry):
            await self._attach(registered, client)
        await self._flush(client)
        host = urlsplit(url).hostname
        self._discovered = [found.geturl() for found in client.discovered_servers if found.hostname != host][:64]
        self._changed(StateChange(BusState.CONNECTED))

    def _credentials(self) -> dict[str, Any]:
        settings = self._settings
        given: dict[str, Any] = {}
        if settings.nkey_file:
            given["nkeys_seed"] = settings.nkey_file
        if settings.creds_file:
            given["user_credentials"] = settings.creds_file
        if settings.tls_ca_file or settings.tls_first or any(url.startswith("tls:") for url in self._urls):
            import ssl  # noqa: PLC0415  only where TLS is used

            given["tls"] = ssl.create_default_context(cafile=settings.tls_ca_file or None)
            given["tls_handshake_first"] = settings.tls_first
        return given

    async def _until_lost(self, client: Client) -> None:
        """Until the connection is gone, or is deaf although nats-py calls it connected (guard 1)."""
        while not client.is_closed:
            reading = getattr(client, "_reading_task", None)
            if reading is not None and reading.done():
                self._last_error = self._last_error or "the client had gone deaf and is replaced"
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    await self._lost.wait()
                    return

    async def _discard(self, client: Client) -> None:
        """End a client within a bound, whatever state it is in; a frozen server must not hold us."""
        closing = self._own(client.close())
        await asyncio.wait({closing}, timeout=_DISCARD_S)
        if not closing.done():
            closing.cancel()
        writer = getattr(getattr(client, "_transport", None), "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    def _failed(self, url: str, reason: str) -> None:
        self._changed(
            StateChange(
                BusState.CONNECTING if self._state.state is BusState.CONNECTING else BusState.RECONNECTING,
                f"{reason} [{redact(url)}]",
            )
        )

    # --- callbacks of nats-py: total, quick, without I/O

    async def _on_error(self, error: Exception) -> None:
        try:
            if isinstance(error, nats.errors.SlowConsumerError):
                self.dropped += 1
                return
            refused = permission_subject(error)
            if refused is not None:
                self._refused(*refused)
                return
            self._last_error = explain(error)
        except Exception:
            log.exception("the error callback failed")

    async def _on_closed(self) -> None:
        client = self._client
        error = client.last_error if client is not None else None
        if error is not None and not self._last_error:
            self._last_error = explain(error)
        self._lost.set()

    def _refused(self, action: str, subject: str) -> None:
        error = NotPermitted(f"not permitted: this role may not {action.replace('scription', 'scribe')} {subject}")
        if action == "publish":
            known = self._inboxes.subject_in_trouble(subject, error)
        else:
            known = subject == self._inboxes.subject.lower()
            if known:
                self._inboxes.all_in_trouble(error)
        if not known:
            log.warning("%s", error)

    def _changed(self, change: StateChange) -> None:
        before, self._state = self._state, change
        if before.state is BusState.CLOSED:
            self._state = before
            return
        if before.state is BusState.CONNECTED and change.state is not BusState.CONNECTED:
            self._inboxes.all_in_trouble(ConnectionLost(f"the connection broke: {change.reason}"))
        if change != before:
            level = logging.INFO if change.state in (BusState.CONNECTED, BusState.CLOSED) else logging.WARNING
            log.log(level, "%s%s", change.state, f": {change.reason}" if change.reason else "")
        for listener in list(self._listeners):
            listener(change)

    # --- what everybody else sees

    @property
    def state(self) -> StateChange:
        """See `diagmesh.bus.core.Bus.state`."""
        return self._state

    @property
    def server(self) -> str:
        """See `diagmesh.bus.core.Bus.server`."""
        info = getattr(self._client, "_server_info", None) or {}
        return str(info.get("server_name", "")) if self._state.state is BusState.CONNECTED else ""

    @property
    def max_payload(self) -> int:
        """See `diagmesh.bus.core.Bus.max_payload`."""
        return self._client.max_payload if self._client is not None else _DEFAULT_MAX_PAYLOAD

    def _connected(self) -> Client:
        client = self._client
        if client is None or not client.is_connected or self._state.state is not BusState.CONNECTED:
            raise NotConnected(f"not sent: not connected to NATS ({self._state.reason or self._state.state})")
        return client

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """See `diagmesh.bus.core.Bus.publish`."""
        client = self._connected()
        size = len(data) + (header_bytes(headers) if headers else 0)
        if size > client.max_payload:
            raise MessageTooLarge(f"{size} bytes for {subject}; the server takes {client.max_payload}")
        if self._mux is None and reply and self._inboxes.owns(reply):
            self._mux = await self.subscribe(self._inboxes.subject, self._inboxes.deliver)
        try:
            await client.publish(subject, data, reply=reply, headers=dict(headers) if headers else None)
        except (nats.errors.ConnectionClosedError, nats.errors.OutboundBufferLimitError, OSError) as error:
            raise NotConnected(f"not sent: {explain(error)}") from None

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """See `diagmesh.bus.core.Bus.subscribe`."""
        registered = _Registered(self, subject, handler, queue)
        self._registry.append(registered)
        if self._client is not None:
            with contextlib.suppress(nats.errors.ConnectionClosedError):
                await self._attach(registered, self._client)
        return registered

    async def _attach(self, registered: _Registered, client: Client) -> None:
        if registered.client is client:
            return
        registered.client = client
        registered.native = await client.subscribe(
            registered.subject,
            queue=registered.queue,
            cb=registered.deliver,
            pending_msgs_limit=_PENDING_MESSAGES,
            pending_bytes_limit=_PENDING_BYTES,
        )

    async def _drop(self, registered: _Registered) -> None:
        if registered not in self._registry:
            return
        self._registry.remove(registered)
        client = self._client
        if registered.native is None or registered.client is not client or client is None or not client.is_connected:
            return
        # Draining hands over what has arrived; it flushes inside, so it must be neither cancelled nor timed out.
        await asyncio.wait({self._own(_quietly(registered.native.drain()))}, timeout=_DISCARD_S)

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

    async def barrier(self, timeout_s: float = 2.0) -> None:
        """See `diagmesh.bus.core.Bus.barrier`."""
        if not await self._flush(self._connected(), timeout_s):
            raise NoAnswer(f"the server did not confirm within {timeout_s:g} s")

    async def _flush(self, client: Client, timeout_s: float = 2.0) -> bool:
        await asyncio.sleep(0)  # pitfall 2: PING would overtake what still waits in the pending list
        flushing = self._own(_quietly(client.flush(timeout=_NEVER_S)))
        await asyncio.wait({flushing}, timeout=timeout_s)
        return flushing.done()

    def _own(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    """For work whose failure is seen elsewhere (the supervisor notices a dead client by itself)."""
    with contextlib.suppress(nats.errors.Error, OSError):
        await work


def _encrypted(client: Client) -> bool:
    writer = getattr(getattr(client, "_transport", None), "_io_writer", None)
    return writer is not None and writer.get_extra_info("ssl_object") is not None
