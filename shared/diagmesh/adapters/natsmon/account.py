"""Asks a nats-server through its system account: the same questions as over HTTP, without a monitoring port."""

import asyncio
import time
from collections import deque
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from diagmesh.adapters.natsmon.accstatz import AccountStat
from diagmesh.adapters.natsmon.door import BadReply, Part, ServerHead, plain
from diagmesh.appnats import AppNats, permit
from diagmesh.errors import BusError, NoAnswer, NoResponders, NotPermitted
from diagmesh.monitoring import MonitorReply, Seen, unreachable
from diagmesh.settings import NatsServerSettings

__all__ = ["SUBJECTS", "AccountMonitorDoor"]

SUBJECTS: Final = (
    *(f"$SYS.REQ.SERVER.*.{name}" for name in ("VARZ", "HEALTHZ", "CONNZ", "JSZ", "ROUTEZ", "GATEWAYZ", "LEAFZ")),
    *(f"$SYS.REQ.SERVER.*.{name}" for name in ("RAFTZ", "ACCOUNTZ")),
    "$SYS.REQ.ACCOUNT.PING.STATZ",
)
"""All that the user of the system account must be allowed to publish; each only reads."""
_LOOKS_KEPT: Final = 128
_STATES: Final = {"open": 0, "closed": 1, "any": 2}
_NAMES: Final = {
    "subs": "subscriptions",
    "acc": "account",
    "js-server-only": "js_server_only",
}
_NUMBERS: Final = frozenset({"limit", "offset", "cid"})
_TEXTS: Final = frozenset({"sort", "acc", "user"})
_OK: Final = 200
_FIND_S: Final = 2.0
"""Whoever is there answers in milliseconds, another continent included; nobody says that he is not there."""


class _Data(Part, frozen=True, kw_only=True, gc=False):
    """As much of a reply as its status needs."""

    status_code: int = 0


class _Error(Part, frozen=True, kw_only=True, gc=False):
    code: int = 500


class _Reply(Part, frozen=True, kw_only=True, gc=False):
    server: ServerHead = ServerHead()
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class _Stats(Part, frozen=True, kw_only=True, gc=False):
    account_statz: tuple[msgspec.Raw, ...] = ()


class _Accounts(Part, frozen=True, kw_only=True, gc=False):
    server: msgspec.Raw = msgspec.Raw(b"{}")
    data: _Stats = _Stats()


class AccountMonitorDoor:
    """The system account, through a connection of its own (`diagmesh.monitoring.MonitorDoor`).

    Args:
        settings: which server; without a name, the one that the connection is to.
        nats: that connection.
    """

    def __init__(self, settings: NatsServerSettings, nats: AppNats) -> None:
        assert settings.system is not None  # noqa: S101  the caller looked
        self._wanted = settings.name
        self._nats = nats
        self._id = ""
        self._at = [
            urlsplit(one if "//" in one else f"nats://{one}") for one in settings.system.url.replace(" ", "").split(",")
        ]
        self.past: deque[Seen] = deque(maxlen=_LOOKS_KEPT)

    @property
    def place(self) -> str:
        """Which server, and how."""
        return f"{self._name or 'nats-server'} by its system account"

    async def ask(self, path: str, *, timeout_s: float = 2.0, limit_bytes: int = 8 << 20) -> MonitorReply:
        """See `MonitorDoor.ask`. ``varz`` finds the server by its name; everything else is asked of that run of it."""
        until = time.monotonic() + timeout_s
        endpoint, _, query = path.partition("?")
        if endpoint == "varz" or not self._id:
            found = await self._asked(
                "$SYS.REQ.SERVER.PING.VARZ", self._filter(), min(until, time.monotonic() + _FIND_S)
            )
            reply = self._read(found, limit_bytes)
            self._id = plain(found, _Reply).server.id
            if endpoint == "varz":
                return reply
        if endpoint == "accstatz":  # of a server without any account in use nothing would come
            all_of_them = {**self._filter(), "include_unused": True}
            return self._read(_used(await self._asked("$SYS.REQ.ACCOUNT.PING.STATZ", all_of_them, until)), limit_bytes)
        subject = f"$SYS.REQ.SERVER.{self._id}.{endpoint.upper()}"
        return self._read(await self._asked(subject, _body(query), until), limit_bytes)

    async def accepts(self, port: int, *, timeout_s: float = 1.0) -> bool | None:
        """See `MonitorDoor.accepts`; None where no URL of the settings is surely that server's."""
        hosts = {one.hostname for one in self._at if (one.port or 4222) == port and one.hostname}
        if len(hosts) != 1 or (self._wanted and len(self._at) > 1):
            return None
        try:
            async with asyncio.timeout(timeout_s):
                _, writer = await asyncio.open_connection(hosts.pop(), port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    @property
    def _name(self) -> str:
        return self._wanted or self._nats.server

    def _filter(self) -> dict[str, Any]:
        return {"server_name": self._name, "exact_match": True}

    async def _asked(self, subject: str, body: dict[str, Any], until: float) -> bytes:
        if not self._name:
            raise unreachable(self.place, self._nats.state, _CONNECT)
        try:
            timeout_s = max(0.05, until - time.monotonic())
            reply = await self._nats.request(subject, msgspec.json.encode(body), timeout_s=timeout_s)
        except NotPermitted as error:
            raise unreachable(self.place, str(error), permit(error, subject, "that user")) from None
        except (NoResponders, NoAnswer):
            raise unreachable(self.place, f"no answer on {subject}", _NOBODY.format(name=self._name)) from None
        except BusError as error:
            raise unreachable(self.place, str(error) or self._nats.state, _CONNECT) from None
        return reply.data

    def _read(self, data: bytes, limit_bytes: int) -> MonitorReply:
        if len(data) > limit_bytes:
            raise unreachable(self.place, f"its reply is longer than {limit_bytes >> 20} MiB", "ask for less of it")
        try:
            reply = plain(data, _Reply)
        except BadReply as error:
            raise unreachable(self.place, str(error)) from None
        if reply.error is not None:
            return MonitorReply(reply.error.code or 500, data)
        return MonitorReply(_status(reply.data), data)


_CONNECT: Final = "check system in [targets.nats_server]: url and credentials of a user of the system account"
_NOBODY: Final = (
    "see whether a server of the name {name} runs, whether that user is one of the system account, and may publish"
    " there (deploy/nats/README.md)"
)


def _used(data: bytes) -> bytes:
    """Without the accounts that nobody uses, as over HTTP."""
    try:
        reply = plain(data, _Accounts)
    except BadReply:
        return data
    kept = [one for one in reply.data.account_statz if _is_used(one)]
    return msgspec.json.encode({"server": reply.server, "data": {"account_statz": kept}})


def _is_used(account: msgspec.Raw) -> bool:
    told = plain(account, AccountStat)
    return told.conns > 0 or told.leafnodes > 0


def _status(data: msgspec.Raw) -> int:
    """That which HEALTHZ tells in its body; every other reply is one."""
    try:
        return plain(data, _Data).status_code or _OK
    except BadReply:
        return _OK


def _body(query: str) -> dict[str, Any]:
    """The parameters of HTTP as the fields of the request over NATS."""
    return {_NAMES.get(name, name): _value(name, value) for name, value in parse_qsl(query)}


def _value(name: str, value: str) -> Any:
    if name == "state":
        return _STATES[value]
    if name in _NUMBERS:
        return int(value)
    return value if name in _TEXTS else value in {"1", "true"}
