"""Asks the servers, through the observer, for connections of the application's account: who is there, who has gone."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from diagmesh.adapters.natsmon.connz import Connection, Connz
from diagmesh.adapters.natsmon.door import BadReply, is_before, told
from diagmesh.appnats import AppNats
from diagmesh.contract.answers.connection import ServerClock
from diagmesh.errors import NoAnswer

__all__ = ["SUBJECT", "Scan", "Seen", "closed", "detail", "scan"]

SUBJECT: Final = "$SYS.REQ.ACCOUNT.PING.CONNZ"
_PAGE: Final = 1024
_MOST_PAGES: Final = 10
_GLOBAL: Final = ("", "$G")
_REDACTS: Final = (2, 11)
_KEY_LENGTH: Final = 56
_CLOSED: Final = 1
"""The state as a number: the word is refused."""


class Seen(NamedTuple):
    """One connection at one server, and the server's clock when it told."""

    server: str
    server_id: str
    now_s: float
    one: Connection

    @property
    def key(self) -> tuple[str, int]:
        """What no other connection shares."""
        return self.server_id, self.one.cid


class Scan(NamedTuple):
    """All open connections; whether these are all of them; and the clocks of the servers, by name."""

    seen: list[Seen]
    whole: bool
    clocks: dict[str, ServerClock]


async def scan(nats: AppNats, timeout_s: float) -> Scan:
    """All that are open, without their subscriptions: 10,240 per server at most.

    Raises:
        BusError: as `AppNats.gather`.
        NoAnswer: what came cannot be read.
    """
    found: list[Seen] = []
    clocks: dict[str, ServerClock] = {}
    for page in range(_MOST_PAGES):
        seen, more = await _ask(nats, {"auth": True, "limit": _PAGE, "offset": page * _PAGE}, timeout_s, clocks)
        found += seen
        if not more:
            return Scan(found, whole=True, clocks=clocks)
    return Scan(found, whole=False, clocks=clocks)


async def detail(
    nats: AppNats, cids: Sequence[int], timeout_s: float, *, ended: bool = False, servers: int = 0
) -> dict[tuple[str, int], Seen]:
    """These connections with every subscription, by server and number; one question for each number, side by side.

    Args:
        nats: the observer.
        cids: their numbers.
        timeout_s: for each question.
        ended: they are closed ones.
        servers: so many there are, which are all waited for; 0 for those that answer about as soon as the first one.

    Raises:
        BusError: as `AppNats.gather`.
    """
    found: dict[tuple[str, int], Seen] = {}

    async def one_of(cid: int) -> None:
        asked = {"auth": True, "cid": cid, "subscriptions_detail": True, **({"state": _CLOSED} if ended else {})}
        seen, _ = await _ask(nats, asked, timeout_s, servers=servers)
        found.update((one.key, one) for one in seen if one.one.cid == cid)

    try:
        async with asyncio.TaskGroup() as group:
            for cid in dict.fromkeys(cids):
                group.create_task(one_of(cid))
    except ExceptionGroup as all_of_them:
        raise all_of_them.exceptions[0] from None
    return found


async def closed(nats: AppNats, count: int, timeout_s: float, servers: int = 0) -> list[Seen]:
    """The last that ended, of each server, the latest first; without subscriptions, of which each may have thousands.

    Args:
        nats: the observer.
        count: so many of each server.
        timeout_s: for the question.
        servers: as `detail`.

    Raises:
        BusError: as `AppNats.gather`.
    """
    asked = {"auth": True, "state": _CLOSED, "sort": "stop", "limit": count}
    seen, _ = await _ask(nats, asked, timeout_s, servers=servers)
    return sorted(seen, key=lambda one: one.one.stop.timestamp() if one.one.stop else 0.0, reverse=True)


async def _ask(
    nats: AppNats,
    asked: Mapping[str, Any],
    timeout_s: float,
    clocks: dict[str, ServerClock] | None = None,
    servers: int = 0,
) -> tuple[list[Seen], bool]:
    asked_s, question = time.time(), msgspec.json.encode(asked)
    if servers:
        replies = await nats.gather(SUBJECT, question, timeout_s=timeout_s, quiet_s=timeout_s, most=servers)
    else:
        replies = await nats.gather(SUBJECT, question, timeout_s=timeout_s)
    came_s = time.time()  # of the last one at the latest
    found: list[Seen] = []
    more, read, trouble = False, 0, ""
    for reply in replies:
        try:
            page = told(reply.data, Connz)
        except BadReply as error:
            trouble = str(error)  # a server that has no connection of that number says so as an error
            continue
        read += 1
        body, head = page.body, page.server
        name, number = (head.name, head.id) if head is not None else ("", body.server_id)
        now_s = body.now.timestamp() if body.now is not None else 0.0
        if clocks is not None and now_s and name:
            clocks[name] = ServerClock(server=name, low_s=round(now_s - came_s, 3), high_s=round(now_s - asked_s, 3))
        version = head.ver if head is not None else ""
        found += [Seen(name, number or body.server_id, now_s, _harmless(one, version)) for one in body.connections]
        more = more or body.offset + len(body.connections) < body.total
    if not read and "cid" not in asked:
        raise NoAnswer(f"the servers answer {SUBJECT}, but not with connections: {trouble}")
    return found, more


def _harmless(one: Connection, version: str) -> Connection:
    """Without what may be a secret: servers before 2.11 tell a token where others tell who it is.

    Tokens are of the global account alone; where there are accounts there are users.
    """
    user = one.authorized_user
    public_key = len(user) == _KEY_LENGTH and user.startswith("U") and user.isalnum() and user.isupper()
    if public_key or one.account not in _GLOBAL or not is_before(version, _REDACTS):
        return one
    return msgspec.structs.replace(one, authorized_user="")
