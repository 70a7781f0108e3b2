"""All servers that an instance should connect to, and a knock at each of them."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from diagmesh.adapters.natsdoor.login import Login, life_of, login_of
from diagmesh.adapters.natsdoor.reach import addresses_of, reach
from diagmesh.adapters.natsdoor.shut import Shut
from diagmesh.adapters.natsdoor.talk import Talk
from diagmesh.adapters.natsdoor.words import greeting_of
from diagmesh.adapters.threads import in_thread
from diagmesh.adapters.web.connect import Resolver
from diagmesh.adapters.web.visit import Visit
from diagmesh.contract.answers.connection import AddressLook, AuthSeen, AuthVerdict, Door, DoorVerdict
from diagmesh.errors import SettingsError
from diagmesh.monitoring import PREFLIGHT
from diagmesh.settings import ConnectionSettings, NatsSettings, TargetSettings

__all__ = ["NatsDoors", "doors_of"]

_MOST_URLS: Final = 16
_DEFAULT_PORT: Final = 4222
_SCHEMES: Final = frozenset({"nats", "tls"})
_LATE: Final = {
    "resolve": (DoorVerdict.RESOLVER_FAILS, "the name did not resolve"),
    "connect": (DoorVerdict.UNANSWERED, "no answer to the connection attempt"),
    "greeting": (DoorVerdict.MUTE, "it took the connection, and said nothing"),
    "tls": (DoorVerdict.TLS_FAILED, "the TLS handshake did not end"),
    "auth": (DoorVerdict.MUTE, "it greeted, and did not answer to the credentials"),
}


class NatsDoors:
    """`diagmesh.target.NatsDoors` of one instance.

    Args:
        settings: as whom to come.
        source: which table of the settings they are.
        name: SERVICE/INSTANCE, for the connection's name.
        where: of the table, for messages.

    Raises:
        SettingsError: a URL is malformed.
    """

    def __init__(self, settings: NatsSettings, source: str, name: str, where: str) -> None:
        self.source = source
        given = settings if isinstance(settings, ConnectionSettings) else ConnectionSettings()
        self.client_name, self.answers = given.client_name, frozenset(given.answers)
        urls = [url.strip() for url in settings.url.split(",") if url.strip()][:_MOST_URLS]
        self._doors = tuple(_OneDoor(settings, _split(url, where), f"{PREFLIGHT}{name}") for url in urls)
        if not self._doors:
            raise SettingsError(f"{where}.url: no server URL; it looks like nats://host:4222")

    async def knock(self, timeout_s: float, pings: int) -> Sequence[Door]:
        """See `diagmesh.target.NatsDoors.knock`."""
        return await asyncio.gather(*(door.look(timeout_s, pings) for door in self._doors))


def doors_of(settings: TargetSettings, name: str) -> NatsDoors | None:
    """The servers that the settings name for the service; else those of the observer, which are in the same place.

    Raises:
        SettingsError: a URL is malformed.
    """
    if settings.connection is not None:
        return NatsDoors(settings.connection, "target.connection", name, f"{name}: connection")
    if settings.nats is not None:
        return NatsDoors(settings.nats, "target.nats", name, f"{name}: nats")
    return None


class _OneDoor:
    def __init__(self, settings: NatsSettings, url: SplitResult, client: str) -> None:
        self._settings = settings
        self._url = url
        self._client = client
        host, port = url.hostname or "", url.port or _DEFAULT_PORT
        self.shown = f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        self._resolver = Resolver(host, port)

    async def look(self, timeout_s: float, pings: int) -> Door:
        """One knock. Never raises for what the server does."""
        visit = Visit(timeout_s)
        talk, looks = Talk(visit), list[AddressLook]()
        told: dict[str, Any] = {"verdict": DoorVerdict.OPEN}
        try:
            async with asyncio.timeout(timeout_s):
                await self._knock(visit, talk, looks, told, pings)
        except Shut as shut:
            told |= self._shut(shut, told.get("auth", AuthSeen()))
        except SettingsError as error:
            told |= {"verdict": DoorVerdict.BLIND, "reason": str(error), "fix": "correct the settings of the sidecar"}
        except TimeoutError:
            verdict, words = _LATE.get(visit.phase, (DoorVerdict.BLIND, "no verdict"))
            told |= {"verdict": verdict, "reason": f"{words} within {timeout_s:.3g} s"}
        finally:
            talk.end()
        visit.enter("")
        return Door(
            url=self.shown,
            addresses=tuple(looks),
            phases_ms=dict(visit.phases_ms),
            port=talk.kind,
            greeting=greeting_of(talk.info) if talk.info is not None else None,
            tls=talk.certificate,
            **told,
        )

    async def _knock(
        self, visit: Visit, talk: Talk, looks: list[AddressLook], told: dict[str, Any], pings: int
    ) -> None:
        addresses = await addresses_of(self._resolver, visit)
        await talk.begin(await reach(addresses, visit, looks))
        login = await in_thread(lambda: login_of(self._settings, self._url), "read credentials")
        told["auth"] = _auth(login)
        if self._settings.tls_first:
            await self._secure(talk)
        info = await talk.greeting()
        if not self._settings.tls_first:
            if info.tls_required or (self._wants_tls() and info.tls_available):
                await self._secure(talk)
            elif self._wants_tls():
                words = "TLS is wanted, and the server offers none: what is sent to it could be read on the way"
                fix = "configure tls { } on the server, or look whether this is the right server"
                raise Shut(DoorVerdict.PLAIN_TEXT, words, fix)
        if info.auth_required and not login.given:
            return  # to log in without credentials would only fill the server's log
        await talk.log_in(login, info, self._client)
        verdict = AuthVerdict.ACCEPTED if info.auth_required else AuthVerdict.NOT_NEEDED
        told["auth"] = msgspec.structs.replace(_auth(login), verdict=verdict)
        told["round_trips"] = await talk.round_trips(pings)

    async def _secure(self, talk: Talk) -> None:
        settings = self._settings
        try:
            context = await in_thread(lambda: _context(settings), "read certificates")
        except OSError as error:
            raise SettingsError(f"the TLS files of the settings cannot be used: {error.strerror}") from None
        await talk.tls(context, settings.tls_server_name or self._url.hostname or "")

    def _wants_tls(self) -> bool:
        given = self._settings
        return bool(self._url.scheme == "tls" or given.tls_ca_file or given.tls_server_name or given.tls_cert_file)

    def _shut(self, shut: Shut, auth: AuthSeen) -> dict[str, Any]:
        """What to tell; the server has the same words for wrong credentials and for a JWT that has expired."""
        told: dict[str, Any] = {"verdict": shut.verdict, "reason": shut.reason, "fix": shut.fix}
        if shut.verdict is DoorVerdict.CREDENTIALS_REFUSED:
            ended = auth.expires_at is not None and auth.expires_at <= datetime.now(UTC)
            if ended:
                words = f"{auth.role} has expired on {auth.expires_at:%Y-%m-%d %H:%M:%S} UTC ({shut.reason})"
                told |= {"verdict": DoorVerdict.JWT_EXPIRED, "reason": words, "fix": "issue the JWT of the user again"}
            verdict = AuthVerdict.EXPIRED if ended else AuthVerdict.REFUSED
            told["auth"] = msgspec.structs.replace(auth, verdict=verdict)
        return told


def _context(settings: NatsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.tls_ca_file or None)
    if settings.tls_cert_file:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password="")
    return context


def _split(url: str, where: str) -> SplitResult:
    try:
        parts = urlsplit(url if "//" in url else f"nats://{url}")
        if parts.hostname and (parts.port is None or parts.port > 0) and parts.scheme in _SCHEMES:
            return parts
    except ValueError:
        pass
    raise SettingsError(f"{where}.url: malformed; it looks like nats://host:4222")


def _auth(login: Login) -> AuthSeen:
    left_s, lifetime_s = life_of(login.fields.get("jwt", ""), time.time())
    return AuthSeen(role=login.role, expires_at=login.expires_at, left_s=left_s, lifetime_s=lifetime_s)
