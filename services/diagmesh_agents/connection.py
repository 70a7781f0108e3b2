"""connection: can the instance reach NATS from here, which connections does it have, and why did earlier ones go."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from diagmesh.adapters import connz
from diagmesh.adapters.connz import Seen
from diagmesh.appnats import OBSERVER_FIX, cannot_ask
from diagmesh.contract.answers.connection import Connection, ConnectionQuestion, Door, DoorVerdict, Link, ServerClock
from diagmesh.contract.wire import Blind
from diagmesh.declare import agent
from diagmesh.errors import BusError, NotRunning, Unavailable, Unreadable
from diagmesh.target import Target, TcpLink
from diagmesh_agents._joining import best, ended, joined, lately, links, mark_linked, own_closed, sockets_of, unanswered

__all__ = ["connection"]

T = TypeVar("T")
BUDGET_S: Final = 10.0
_KNOCK_S: Final = 3.0
_SHARE_FOR_KNOCKS: Final = 0.7
"""Of the budget; the rest is for the answer, so that a server that is away is told about instead of making all late."""
_ASK_S: Final = 1.0
_ANSWER_S: Final = 1.0
"""So long answers are waited for, before nothing that was sent means that nothing is answered."""
_SHARE_FOR_ANSWERS: Final = 0.4
"""Of the time beside the pause at most."""
_MOST_DETAILED: Final = 8
_SEEN: Final = "connections as the servers see them"
_KEY = tuple[str, int]
_NO_DOORS: Final = "the settings do not say which servers the service connects to"
_DOORS_FIX: Final = "add a table [targets.connection] with its url, and its credentials where the sidecar may read them"


@agent(budget=BUDGET_S, concurrency=4)
async def connection(question: ConnectionQuestion, target: Target) -> Connection:
    """Can the instance reach NATS, what are its connections like, and why did earlier ones go."""
    if target.nats_doors is None and not target.nats.there:
        _nothing_to_look_at()
    blinds: list[Blind] = []
    clocks: list[ServerClock] = []
    knocking = asyncio.create_task(_knock(question, target, blinds))
    try:
        sockets = await _sockets(target, blinds)
        first, later, gone = await _told(question, target, sockets, blinds, clocks)
        doors = mark_linked(await knocking, sockets or ())
    finally:
        knocking.cancel()
    answers = target.nats_doors.answers if target.nats_doors is not None else ()
    told = links(sockets, doors, first, later, question.subscriptions, answers) if sockets is not None else None
    answer = _answer(target, doors, told, gone, tuple(blinds))
    return msgspec.structs.replace(answer, clocks=tuple(clocks)) if clocks else answer


def _nothing_to_look_at() -> NoReturn:
    words = "the settings name neither the servers of the service nor a connection in its account"
    raise Unavailable(words, code=501, error="not on this instance", hint=f"{_DOORS_FIX}; {OBSERVER_FIX}")


async def _knock(question: ConnectionQuestion, target: Target, blinds: list[Blind]) -> Sequence[Door]:
    if not question.preflight:
        return ()
    if target.nats_doors is None:
        blinds.append(Blind(what="doors", why=_NO_DOORS, fix=_DOORS_FIX))
        return ()
    return await target.nats_doors.knock(min(_KNOCK_S, _asked_s(question) * _SHARE_FOR_KNOCKS), question.pings)


def _asked_s(question: ConnectionQuestion) -> float:
    return (question.timeout_ms or 1000 * BUDGET_S) / 1000


async def _sockets(target: Target, blinds: list[Blind]) -> Sequence[TcpLink] | None:
    try:
        return await asyncio.to_thread(sockets_of, target)
    except NotRunning as gone:
        blinds.append(Blind(what="links", why=str(gone), fix="ask for health: it tells what became of the process"))
    except Unreadable as refusal:
        blinds.append(Blind(what="links", why=str(refusal), fix=refusal.fix))
    return None


async def _told(
    question: ConnectionQuestion,
    target: Target,
    sockets: Sequence[TcpLink] | None,
    blinds: list[Blind],
    clocks: list[ServerClock],
) -> tuple[dict[TcpLink, Seen], dict[_KEY, Seen], list[Seen] | None]:
    """What the servers tell: the connection of each socket, a later look at it, and those that ended."""
    if not target.nats.there:
        why = "the sidecar has no connection in the application's account"
        blinds.append(Blind(what=_SEEN, why=why, fix=OBSERVER_FIX))
        return {}, {}, None
    first = await _or_blind(_first(question, target, sockets or (), blinds, clocks), _SEEN, blinds)
    later: dict[_KEY, Seen] | None = {}
    if first and question.interval_s:
        later = await _or_blind(_later(question, target, first, len(clocks)), "rates", blinds)
    gone = None
    if first is not None and question.closed:
        gone = await _or_blind(_ended(question, target, len(clocks)), "ended connections", blinds)
    return first or {}, later or {}, gone


async def _first(
    question: ConnectionQuestion,
    target: Target,
    sockets: Sequence[TcpLink],
    blinds: list[Blind],
    clocks: list[ServerClock],
) -> dict[TcpLink, Seen]:
    seen, whole, told = await connz.scan(target.nats, _ASK_S)
    clocks.extend(told.values())
    found = joined(sockets, seen)
    for one in found.values():
        target.met.remember(*one.key, one.one.name, one.one.ip)
    if not whole:
        why = (
            "the account has more than 10,240 connections at one server; those of the instance may be among the others"
        )
        blinds.append(Blind(what=_SEEN, why=why))
    if len(found) > _MOST_DETAILED:
        why = f"it has {len(found)} connections, of which {_MOST_DETAILED} are looked at so closely"
        blinds.append(Blind(what="subscriptions and rates of the others", why=why))
    if question.subscriptions and found:
        detailed = await _detail(target, found, len(clocks))
        found = {socket: detailed.get(one.key, one) for socket, one in found.items()}
    return found


async def _ended(question: ConnectionQuestion, target: Target, servers: int) -> list[Seen]:
    """Those of this instance that ended; of the last one that was too slow, its subscriptions as well: the cause.

    Of all servers that were asked before: none of them is missed because it is a little slower now.
    """
    client_name = target.nats_doors.client_name if target.nats_doors is not None else ""
    seen = await connz.closed(target.nats, question.closed, _ASK_S, servers)
    own = own_closed(seen, target.met, client_name)
    last = {one.one.reason: one for one in reversed(own) if one.one.reason.startswith("Slow Consumer")}
    cids = [one.one.cid for one in last.values()]
    full = await connz.detail(target.nats, cids, _ASK_S, ended=True, servers=servers)
    return [full.get(one.key, one) for one in own]


async def _later(
    question: ConnectionQuestion, target: Target, first: dict[TcpLink, Seen], servers: int
) -> dict[_KEY, Seen]:
    """After the pause; where hardly anything was sent for the requests of the pause, later still: answers take time."""
    await asyncio.sleep(question.interval_s)
    later = await _detail(target, first, servers)
    must = target.nats_doors.answers if target.nats_doors is not None else ()
    if unanswered(first.values(), later, must):
        await asyncio.sleep(_patience_s(question))
        later |= await _detail(target, first, servers)
    return later


def _patience_s(question: ConnectionQuestion) -> float:
    return max(0.0, min(_ANSWER_S, _SHARE_FOR_ANSWERS * (_asked_s(question) - question.interval_s)))


async def _detail(target: Target, found: dict[TcpLink, Seen], servers: int) -> dict[_KEY, Seen]:
    """Of all that the servers were asked before: none of them is missed because it is a little slower now."""
    cids = [one.one.cid for one in found.values()][:_MOST_DETAILED]
    return await connz.detail(target.nats, cids, _ASK_S, servers=servers)


async def _or_blind(work: Coroutine[Any, Any, T], what: str, blinds: list[Blind]) -> T | None:
    try:
        return await work
    except BusError as error:
        blinds.append(cannot_ask(error, what, connz.SUBJECT))
        return None


def _answer(
    target: Target,
    doors: tuple[Door, ...],
    found: tuple[Link, ...] | None,
    gone: list[Seen] | None,
    blinds: tuple[Blind, ...],
) -> Connection:
    seen = [link.seen for link in found or () if link.seen is not None]
    answer = Connection(
        verdict=best(doors),
        doors=doors,
        links=found,
        knocked_from=target.nats_doors.source if target.nats_doors is not None and doors else "",
        observer=target.nats.state if target.nats.there else "",
        rtt_ms=min((door.round_trips.p50_ms for door in doors if door.round_trips is not None), default=None),
        max_payload_bytes=_least_payload(doors),
        connections=len(found) if found is not None else None,
        blind=blinds,
    )
    if gone is not None:
        recent = sum(map(lately, gone))
        answer = msgspec.structs.replace(answer, ended=ended(gone), reconnects=len(gone), ended_lately=recent)
    if seen:
        answer = msgspec.structs.replace(
            answer,
            pending_bytes=sum(one.pending_bytes for one in seen),
            subscriptions=sum(one.subscriptions for one in seen),
            in_msgs_per_s=_sum(one.in_msgs_per_s for one in seen),
            out_msgs_per_s=_sum(one.out_msgs_per_s for one in seen),
        )
    return answer


def _least_payload(doors: Sequence[Door]) -> int | None:
    told = [door.greeting.max_payload_bytes for door in doors if door.greeting and door.verdict is DoorVerdict.OPEN]
    return min((one for one in told if one is not None), default=None)


def _sum(rates: Any) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return round(sum(known), 3) if known else None
