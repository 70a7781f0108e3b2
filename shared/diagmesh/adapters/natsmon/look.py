"""One look at a nats-server, by its endpoint or its system account: all questions side by side, each bounded."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from diagmesh.adapters.natsmon.accountz import Account, Accountz
from diagmesh.adapters.natsmon.accstatz import Accstatz
from diagmesh.adapters.natsmon.connz import Connz
from diagmesh.adapters.natsmon.door import BadReply, told
from diagmesh.adapters.natsmon.gatewayz import Gatewayz
from diagmesh.adapters.natsmon.healthz import Healthz
from diagmesh.adapters.natsmon.jsz import Jsz
from diagmesh.adapters.natsmon.leafz import Leafz
from diagmesh.adapters.natsmon.picture import picture, seen_of
from diagmesh.adapters.natsmon.raftz import META_GROUP, RaftState, Raftz
from diagmesh.adapters.natsmon.replies import Health, Replies
from diagmesh.adapters.natsmon.routez import Routez
from diagmesh.adapters.natsmon.varz import Varz
from diagmesh.contract.answers.server import Server
from diagmesh.contract.wire import Blind, Detail
from diagmesh.errors import Unavailable
from diagmesh.monitoring import MonitorDoor, MonitorReply, Seen, unreachable

__all__ = ["look"]

T = TypeVar("T")
_PAUSE_S: Final = 1.0
"""Between the two looks, where there was none before; the server renews its CPU about once a second."""
_CLOSED_MOST: Final = 512
_SUBJECTS_OF_MOST: Final = 8
"""Subscriptions are asked of so few: each connection may have ten thousand."""
_ACCOUNTS_MOST: Final = 16
_GLOBAL: Final = "$G"
_HEALTH: Final = {
    "ready": "healthz",
    "jetstream": "healthz?js-server-only=true",
}


async def look(door: MonitorDoor, *, window_s: float, budget_s: float, detail: Detail) -> Server:
    """What the server replies, as one picture.

    Args:
        door: the way to it.
        window_s: how far back ended connections count as of late.
        budget_s: for all of it.
        detail: ``brief`` leaves out accounts and peers, and takes no second look for rates.

    Raises:
        Unavailable: it cannot be asked, or what answers is no nats-server.
    """
    until = time.monotonic() + budget_s
    varz, seen = await _varz(door, budget_s)
    brief = detail is Detail.BRIEF
    if not brief and not _comparable(door, seen) and budget_s > 3 * _PAUSE_S:
        door.past.append(seen)
        await asyncio.sleep(_PAUSE_S)
        varz, seen = await _varz(door, max(0.1, until - time.monotonic()))
    asked = _Asked(door, max(0.1, until - time.monotonic()))
    replies = await asked.all(varz, brief=brief)
    found = picture(replies, seen, tuple(door.past), window_s=window_s)
    door.past.append(seen)
    ready = next((one for one in found.health if one.name == "ready"), None)
    if ready is not None and ready.ok is False and "ready" in ready.error and varz.port:
        accepts = await door.accepts(varz.port)
        found = replace(found, accepts=accepts, lame_duck=accepts is False)
    return found


def _comparable(door: MonitorDoor, seen: Seen) -> bool:
    return bool(door.past) and door.past[-1].server == seen.server and seen.at - door.past[-1].at < 60


async def _varz(door: MonitorDoor, timeout_s: float) -> tuple[Varz, Seen]:
    reply = await door.ask("varz", timeout_s=timeout_s)
    try:
        varz = told(reply.body, Varz).body if reply.status == 200 else None
    except BadReply as error:
        raise unreachable(f"{door.place}/varz", str(error)) from None
    if varz is None or not varz.server_id:
        why = f"answers with status {reply.status}" if reply.status != 200 else "is no monitoring endpoint"
        raise unreachable(f"{door.place}/varz", why)
    return varz, seen_of(varz, time.monotonic())


class _Asked:
    """The questions of one look; what cannot be had is told as blind."""

    def __init__(self, door: MonitorDoor, timeout_s: float) -> None:
        self._door = door
        self._timeout_s = timeout_s
        self._blind: list[Blind] = []

    async def all(self, varz: Varz, *, brief: bool) -> Replies:
        """Everything that is asked after VARZ."""
        detail = {} if brief else self._crowd(varz)
        names = ("connz", "closed", "jsz", *detail)
        plain: Any = (
            self._one(f"connz?sort=pending&subs=1&auth=1&limit={_SUBJECTS_OF_MOST}", Connz),
            self._one(f"connz?state=closed&sort=stop&auth=1&limit={_CLOSED_MOST}", Connz),
            self._one("jsz?accounts=1", Jsz),
            *detail.values(),
        )
        health, *found = await asyncio.gather(self._health(), *plain)
        parts: dict[str, Any] = dict(zip(names, found, strict=True))
        parts["closed"] = await self._with_subjects(parts["closed"])
        accounts = await self._accounts(varz, parts.get("accstatz"))
        return Replies(varz=varz, health=health, accounts=accounts, **parts, blind=tuple(self._blind))

    async def _with_subjects(self, closed: Connz | None) -> Connz | None:
        """What slow consumers listened to; of the last few, one by one."""
        slow = [one.cid for one in (closed.connections if closed is not None else ()) if "Slow" in one.reason]
        asked = slow[:_SUBJECTS_OF_MOST]
        found = await asyncio.gather(*(self._one(f"connz?state=closed&subs=1&cid={cid}", Connz) for cid in asked))
        subs = {each.cid: each.subs for one in found if one is not None for each in one.connections}
        if closed is None or not subs:
            return closed
        ones = tuple(replace(one, subs=subs.get(one.cid, one.subs)) for one in closed.connections)
        return replace(closed, connections=ones)

    def _crowd(self, varz: Varz) -> dict[str, Any]:
        asked: dict[str, Any] = {"accstatz": self._one("accstatz", Accstatz)}
        if varz.cluster.port or varz.routes:
            asked |= {"routez": self._one("routez", Routez), "meta": self._meta()}
        if varz.gateway.name:
            asked["gatewayz"] = self._one("gatewayz", Gatewayz)
        if varz.leafnodes or varz.leaf.port or varz.leaf.remotes:
            asked["leafz"] = self._one("leafz", Leafz)
        return asked

    async def _health(self) -> Mapping[str, Health]:
        found = dict(zip(_HEALTH, await asyncio.gather(*map(self._variant, _HEALTH.values())), strict=True))
        return {name: one for name, one in found.items() if one is not None}

    async def _variant(self, path: str) -> Health | None:
        """Whatever its status: a server that is not well says so with 500 or 503."""
        try:
            reply = await self._door.ask(path, timeout_s=self._timeout_s)
            return Health(status=reply.status, body=told(reply.body, Healthz).body)
        except (Unavailable, BadReply) as error:
            self._blind.append(Blind(what=path, why=str(error)))
            return None

    async def _meta(self) -> RaftState | None:
        try:
            reply = await self._door.ask("raftz", timeout_s=self._timeout_s)
            if reply.status == 404:
                return None  # a server without a group of its own
            groups: Raftz = told(reply.body, Raftz).body
        except (Unavailable, BadReply) as error:
            self._blind.append(Blind(what="raftz", why=str(error)))
            return None
        return next((one[META_GROUP] for one in groups.values() if META_GROUP in one), None)

    async def _accounts(self, varz: Varz, stats: Accstatz | None) -> Mapping[str, Account]:
        """The limits of the busiest accounts, where accounts have a JWT: only there are any told."""
        busiest = sorted(stats.accounts if stats is not None else (), key=lambda one: -one.conns)[:_ACCOUNTS_MOST]
        names = [one.acc for one in busiest if one.acc not in {varz.system_account, _GLOBAL} and len(one.acc) == 56]
        told_all = await asyncio.gather(*(self._one(f"accountz?acc={name}", Accountz) for name in names))
        return {
            name: one.account_detail
            for name, one in zip(names, told_all, strict=True)
            if one is not None and one.account_detail is not None
        }

    async def _one(self, path: str, kind: type[T]) -> T | None:
        name = path.partition("?")[0]
        try:
            reply: MonitorReply = await self._door.ask(path, timeout_s=self._timeout_s)
            if reply.status != 200:
                self._blind.append(Blind(what=name, why=f"status {reply.status}"))
                return None
            return told(reply.body, kind).body
        except (Unavailable, BadReply) as error:
            self._blind.append(Blind(what=name, why=str(error)))
            return None
