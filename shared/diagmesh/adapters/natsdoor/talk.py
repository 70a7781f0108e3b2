"""The layers above TCP: first bytes, TLS, credentials, round trips. One short connection, which sends no message."""

import asyncio
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Any, Final

from diagmesh.adapters.natsdoor.login import Login
from diagmesh.adapters.natsdoor.shut import Shut
from diagmesh.adapters.natsdoor.words import ASK_HTTP, Info, kind_of_info, kind_of_other, parse_info, refusal
from diagmesh.adapters.web.tls import tls_fault
from diagmesh.adapters.web.visit import Visit
from diagmesh.contract.answers.connection import Certificate, DoorVerdict, PortKind, RoundTrips

__all__ = ["Talk"]

_LINE_LIMIT: Final = 256 * 1024
_GREETING_SHARE: Final = 0.6
_DAY_S: Final = 86_400.0
_WRONG: Final = "set the URL to the client port of the server (4222 unless it was changed)"
_TLS_FIRST: Final = "it waits for the client, and ends at plain text: TLS before the greeting (handshake_first)"
_TLS_FIRST_FIX: Final = "let the client begin with TLS, too (tls_first)"
_KINDS: Final = {
    PortKind.LEAFNODE: "this is the port for leafnodes",
    PortKind.ROUTE: "this is the port for routes of a cluster",
    PortKind.GATEWAY: "this is the port for gateways",
    PortKind.WEBSOCKET: "this is the websocket port, and the URL is no ws:// one",
    PortKind.HTTP: "this port speaks HTTP (the monitoring port of nats-server does)",
    PortKind.OTHER: "what listens there does not speak the NATS protocol",
}


class Talk:
    """One conversation; `kind`, `info` and `certificate` hold what was learnt, also when it ended early."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.kind = PortKind.UNKNOWN
        self.info: Info | None = None
        self.certificate: Certificate | None = None

    async def begin(self, plug: socket.socket) -> None:
        """Take over a connected socket; `end` closes it."""
        try:
            self._reader, self._writer = await asyncio.open_connection(sock=plug, limit=_LINE_LIMIT)
        except BaseException:
            plug.close()
            raise

    def end(self) -> None:
        """Close it at once."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def greeting(self) -> Info:
        """What the server says first.

        Raises:
            Shut: nothing, or it is none of a client port.
            TimeoutError: there is no time left.
        """
        self._visit.enter("greeting")
        first = await self._first()
        info = parse_info(first)
        if info is not None:
            self.kind, self.info = kind_of_info(info), info
        elif first.startswith(b"-ERR"):
            raise _refused(first)
        else:
            self.kind = kind_of_other(first)
        if self.kind is PortKind.TLS_FIRST:
            raise Shut(DoorVerdict.TLS_FAILED, _TLS_FIRST, _TLS_FIRST_FIX)
        if info is None or self.kind is not PortKind.CLIENT:
            nats = info is not None or self.kind is PortKind.WEBSOCKET
            raise Shut(DoorVerdict.WRONG_PORT if nats else DoorVerdict.NOT_NATS, _KINDS[self.kind], _WRONG)
        return info

    async def tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go on in TLS, and note the certificate.

        Raises:
            Shut: the handshake failed, or chain or name are not accepted.
            TimeoutError: there is no time left.
        """
        self._visit.enter("tls")
        assert self._writer is not None  # noqa: S101  begin() was called
        try:
            await self._writer.start_tls(context, server_hostname=host)
        except ssl.SSLError as error:
            fix = "renew the certificate, or trust its CA (tls_ca_file), or use the name that stands in it"
            raise Shut(DoorVerdict.TLS_FAILED, tls_fault(error).reason.replace(": use http", ""), fix) from None
        except (ConnectionError, EOFError) as error:
            asks = self.info is not None and self.info.tls_verify
            words = "the server asks for a certificate of ours" if asks else f"TLS: {_words(error)}"
            raise Shut(DoorVerdict.TLS_FAILED, words, "give tls_cert_file and tls_key_file" if asks else "") from None
        self.certificate = _certificate(self._writer.get_extra_info("ssl_object"))

    async def log_in(self, login: Login, info: Info, name: str) -> None:
        """Say who comes, and wait for the word that it is accepted.

        Raises:
            Shut: it is not.
            SettingsError: the seed file cannot be read.
            TimeoutError: there is no time left.
        """
        self._visit.enter("auth")
        await self._send(login.connect(info, name) + b"PING\r\n")
        await self._pong()

    async def round_trips(self, count: int) -> RoundTrips | None:
        """So many PINGs, one after the other; fewer when the time is over, None when not one came back."""
        self._visit.enter("pings")
        took: list[float] = []
        try:
            for _ in range(count):
                started = time.perf_counter()
                await self._send(b"PING\r\n")
                async with asyncio.timeout(self._visit.left_s()):
                    await self._pong()
                took.append(1000 * (time.perf_counter() - started))
        except (TimeoutError, Shut):
            pass  # what came until then is told
        if not took:
            return None
        took.sort()
        return RoundTrips(
            count=len(took),
            p50_ms=round(took[(len(took) - 1) // 2], 3),
            p95_ms=round(took[min(len(took) - 1, int(0.95 * len(took)))], 3),
            max_ms=round(took[-1], 3),
        )

    # --- bytes

    async def _first(self) -> bytes:
        """The first line, or whatever is said to somebody who speaks first; empty bytes are never returned."""
        waiting_s = self._visit.left_s() * _GREETING_SHARE
        try:
            async with asyncio.timeout(waiting_s):
                first = await self._line()
        except TimeoutError:
            await self._send(ASK_HTTP)
            try:
                async with asyncio.timeout(self._visit.left_s() * _GREETING_SHARE):
                    first = await self._piece()
            except TimeoutError:
                words = f"it took the connection, and has said nothing within {waiting_s:.2g} s"
                fix = "see whether nats-server is frozen or out of CPU on its host, and what else listens on that port"
                raise Shut(DoorVerdict.MUTE, words, fix) from None
            if not first:  # nats-server does so where it waits for the first bytes of TLS
                self.kind = PortKind.TLS_FIRST
                raise Shut(DoorVerdict.TLS_FAILED, _TLS_FIRST, _TLS_FIRST_FIX) from None
        if not first:
            fix = "read the log of the server at this moment"
            raise Shut(DoorVerdict.CLOSED, "it took the connection, and closed it without a word", fix)
        return first

    async def _pong(self) -> None:
        """Up to PONG; further INFO and PING of the server are passed over."""
        while True:
            line = await self._line()
            if line.startswith(b"PONG"):
                return
            if line.startswith(b"-ERR"):
                raise _refused(line)
            if line.startswith(b"PING"):
                await self._send(b"PONG\r\n")
            elif not line:
                fix = "read the log of the server at this moment"
                raise Shut(DoorVerdict.CLOSED, "the server closed the connection without a word", fix)

    async def _line(self) -> bytes:
        assert self._reader is not None  # noqa: S101  begin() was called
        try:
            return await self._reader.readline()
        except ValueError:
            raise Shut(DoorVerdict.NOT_NATS, _KINDS[PortKind.OTHER], _WRONG) from None
        except OSError:
            return b""

    async def _piece(self) -> bytes:
        assert self._reader is not None  # noqa: S101  begin() was called
        try:
            return await self._reader.read(1024)
        except OSError:
            return b""

    async def _send(self, data: bytes) -> None:
        assert self._writer is not None  # noqa: S101  begin() was called
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            pass  # what the other side said before it closed is read next


def _refused(line: bytes) -> Shut:
    verdict, words = refusal(line)
    if verdict is DoorVerdict.BLIND:
        late = f"our login came too late for the server ({words}): this host or that one is overloaded"
        return Shut(verdict, late, "look at the load of both hosts, then ask again")
    fix = {
        DoorVerdict.CREDENTIALS_REFUSED: "see the user and its key in the configuration of the server, or its account",
        DoorVerdict.JWT_EXPIRED: "issue the JWT of the user again",
        DoorVerdict.LIMIT: "find who holds the connections: nats server report connections --sort uptime",
        DoorVerdict.WRONG_PORT: _WRONG,
    }.get(verdict, "read the log of the server at this moment")
    return Shut(verdict, f"the server refuses: {words}", fix)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _certificate(connection: Any) -> Certificate:
    seen: dict[str, Any] = connection.getpeercert() or {}
    ends = seen.get("notAfter")
    at = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None
    issuer = {key: value for part in seen.get("issuer", ()) for key, value in part}
    return Certificate(
        protocol=str(connection.version()),
        names=tuple(value for _, value in seen.get("subjectAltName", ()))[:16],
        issuer=str(issuer.get("commonName") or issuer.get("organizationName", "")),
        expires_at=at,
        days_left=round((at.timestamp() - time.time()) / _DAY_S, 3) if at is not None else None,
    )
