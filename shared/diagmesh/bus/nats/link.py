"""One connection: a nats-py client with its traps guarded; it never reconnects, the bus makes a new link instead.

Guards: a flush is never cancelled nor timed out (its late PONG would end the read loop while the client still calls
itself connected); callbacks are total (an exception in one ends the read loop too); a deaf client is noticed; ending a
link is bounded even when the server is frozen; a ``tls://`` server that answers in plain text is refused.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import nats.errors
from nats.aio.msg import Msg

from diagmesh.bus.core import Handler
from diagmesh.bus.nats.guarded import GuardedClient
from diagmesh.bus.nats.handshake import why_not
from diagmesh.bus.nats.last_words import last_words
from diagmesh.bus.nats.usable import credentials, expired, wants_tls
from diagmesh.bus.reasons import explain, permission_subject
from diagmesh.errors import NotConnected
from diagmesh.settings import NatsSettings

__all__ = ["FAILURES", "Link", "Refused"]

log = logging.getLogger("diagmesh.bus")

FAILURES: Final = (OSError, nats.errors.Error, TimeoutError, ValueError)
"""What opening a link can raise."""

Refused = Callable[[str, str], None]
"""Hears what the server did not permit: ``publish`` or ``subscription``, and the subject."""

_PING_INTERVAL_S: Final = 5
_PINGS_OUTSTANDING: Final = 2
_WATCH_S: Final = 0.25
_LEAVE_WITHIN_S: Final = 1.0
_DISCARD_S: Final = 1.0
_NEVER_S: Final = 365 * 86_400
_UNANSWERED: Final = "the server did not answer our pings (frozen, overloaded, or the network drops everything)"
_MOST_DISCOVERED: Final = 64
_DEFAULT_PORT: Final = 4222


class Link:
    """One connection to one server, from `open` to `discard`.

    Args:
        settings: credentials and TLS.
        name: what the server's connection list calls us.
        url: the server.
        refused: hears of subjects that the server did not permit.
    """

    def __init__(self, settings: NatsSettings, name: str, url: str, refused: Refused) -> None:
        self._settings = settings
        self._name = name
        self._url = url
        self._refused = refused
        self._client = GuardedClient(tls_wanted=wants_tls(settings), refused=self._on_server_error)
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._cause: BaseException | None = None
        self.reason = ""
        self.leaving = False
        """The server has said that it will go (lame duck mode): it still serves, but others are better."""

    async def open(self) -> None:
        """Connect and authenticate.

        Raises:
            FAILURES: the server is away, refuses, or is no NATS server; `reason` says what the first cause was.
        """
        try:
            await self._connect()
        except FAILURES as error:
            self.reason = await self._why(error)
            raise

    async def _why(self, error: BaseException) -> str:
        """Why connecting failed, from what the server said, and from what it may not have come to say."""
        # The server says no more than that; a JWT that has expired since we started can be read by ourselves.
        if "authorization violation" in str(error).lower() and (ended := expired(self._settings.creds_file)):
            return ended
        hung_up = isinstance(error, ConnectionResetError | BrokenPipeError | nats.errors.UnexpectedEOF)
        if hung_up and not self._settings.tls_first and (words := await last_words(self._url)):
            return explain(nats.errors.Error(words))
        info: dict[str, Any] = getattr(self._client, "_server_info", None) or {}
        # The first cause was told to a callback already, by its class as well.
        return why_not(self._cause or error, self._settings, info)

    async def _connect(self) -> None:
        await self._client.connect(
            **credentials(self._settings),
            servers=[self._url],
            name=self._name,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=self._settings.connect_timeout_s,  # type: ignore[arg-type]  # annotated int, used as float
            ping_interval=_PING_INTERVAL_S,
            max_outstanding_pings=_PINGS_OUTSTANDING,
            error_cb=self._on_error,
            closed_cb=self._on_closed,
            disconnected_cb=self._on_closed,
            lame_duck_mode_cb=self._on_lame_duck,
        )

    def _writer(self) -> asyncio.StreamWriter | None:
        return getattr(getattr(self._client, "_transport", None), "_io_writer", None)

    # --- while it lives

    @property
    def alive(self) -> bool:
        """Whether it can be written to now."""
        return self._client.is_connected

    @property
    def max_payload(self) -> int:
        """What the server takes, bytes."""
        return self._client.max_payload

    @property
    def server(self) -> str:
        """Name of the server."""
        info: dict[str, Any] = getattr(self._client, "_server_info", None) or {}
        return str(info.get("server_name", ""))

    @property
    def dropped(self) -> int:
        """Messages that were lost, because they could not be read."""
        return self._client.malformed

    def discovered(self) -> list[str]:
        """Further servers of the cluster that this one has told of, to be reached as this one is."""
        own = urlsplit(self._url if "//" in self._url else f"nats://{self._url}")
        account, at, _ = own.netloc.rpartition("@")
        found = []
        for server in self._client.discovered_servers[:_MOST_DISCOVERED]:
            if server.hostname and (server.hostname, server.port) != (own.hostname, own.port):
                host = f"[{server.hostname}]" if ":" in server.hostname else server.hostname
                found.append(f"{own.scheme}://{account}{at}{host}:{server.port or _DEFAULT_PORT}")
        return found

    async def publish(self, subject: str, data: bytes, reply: str, headers: Mapping[str, str] | None) -> None:
        """Hand one message to the socket.

        Raises:
            NotConnected: the connection is gone.
        """
        try:
            await self._client.publish(subject, data, reply=reply, headers=dict(headers) if headers else None)
        except (nats.errors.ConnectionClosedError, nats.errors.OutboundBufferLimitError, OSError) as error:
            raise NotConnected(f"not sent: {explain(error)}") from None

    async def subscribe(self, subject: str, queue: str, handler: Handler) -> Any:
        """Listen; returns what `unsubscribe` takes, None when the connection is gone."""

        async def passed_by(_: Msg) -> None:
            """What nats-py asks for, and what our client goes past."""

        self._client.handlers[passed_by] = handler
        try:
            return await self._client.subscribe(subject, queue=queue, cb=passed_by)
        except nats.errors.ConnectionClosedError:
            return None

    async def unsubscribe(self, subscription: Any) -> None:
        """End it after what has arrived was handed over; bounded."""
        if subscription is not None and self.alive:
            # Draining flushes inside, so it must be neither cancelled nor timed out.
            await asyncio.wait({self._own(_quietly(subscription.drain()))}, timeout=_DISCARD_S)
            self._client.handlers.pop(subscription._cb, None)

    async def flush(self, timeout_s: float) -> bool:
        """Whether the server confirmed within the time that it has processed everything sent so far."""
        await asyncio.sleep(0)  # PING goes straight to the socket: let what was published before go first
        flushing = self._own(_quietly(self._client.flush(timeout=_NEVER_S)))
        await asyncio.wait({flushing}, timeout=timeout_s)
        return flushing.done()

    async def until_lost(self, elsewhere: Callable[[], bool]) -> None:
        """Until the connection is gone, deaf although nats-py calls it connected, or better left for another server.

        Args:
            elsewhere: whether there is another server to go to.
        """
        while not self._client.is_closed:
            if self.leaving and elsewhere():
                # All that are connected there were told in one instant: they must not all come to the others in one.
                await asyncio.wait({self._own(self._lost.wait())}, timeout=random.uniform(0, _LEAVE_WITHIN_S))  # noqa: S311
                return
            reading = getattr(self._client, "_reading_task", None)
            if reading is not None and reading.done():
                self.reason = self.reason or "the client had gone deaf and is replaced"
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    await self._lost.wait()
                    return

    # --- its end

    async def discard(self) -> None:
        """End it within a bound, whatever state it is in; a frozen server must not hold us.

        The socket is given back also when this is cancelled, as by a bus that is closed while a connection fails.
        """
        try:
            closing = self._own(_quietly(self._client.close()))
            await asyncio.wait({closing}, timeout=_DISCARD_S)
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_DISCARD_S)
        finally:
            # Closing that fails on a socket that is gone, or is cut off here, has not come to the tasks of
            # subscriptions.
            for subscription in list(self._client._subs.values()):
                subscription._stop_processing()
            self._client._subs.clear()
            writer = self._writer()
            if writer is not None:
                writer.transport.abort()

    # --- callbacks of nats-py: total, quick, without I/O

    async def _on_error(self, error: Exception) -> None:
        try:
            if permission_subject(error) is not None and (refused := permission_subject(Exception(self._client.said))):
                self._refused(*refused)
                return
            self._cause = self._cause or error
            self.reason = self.reason or explain(error)
        except Exception:
            log.exception("the error callback failed")

    def _on_server_error(self, text: str) -> None:
        if permission_subject(nats.errors.Error(text)) is None:
            self._cause = nats.errors.Error(text)
            self.reason = explain(self._cause)

    async def _on_lame_duck(self) -> None:
        self.reason = self.reason or "the server is about to stop (lame duck mode)"
        self.leaving = True

    async def _on_closed(self) -> None:
        error = self._client.last_error
        if error is not None and not self.reason:
            # The end of the stream is of a kind with it for nats-py, but a server that has closed is no silent one.
            eof = isinstance(error, nats.errors.UnexpectedEOF)
            silent = isinstance(error, nats.errors.StaleConnectionError) and not eof
            self.reason = _UNANSWERED if silent else explain(error)
        self._lost.set()

    def _own(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    """For work whose failure is seen elsewhere (the bus notices a dead link by itself)."""
    with contextlib.suppress(Exception):
        await work
