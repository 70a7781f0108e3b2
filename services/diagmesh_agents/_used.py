"""Which pushed consumers are those of the service: it subscribes to where their messages go; nobody tells who pulls."""

import asyncio
from typing import Final

from msgspec.structs import replace

from diagmesh.adapters import connz
from diagmesh.contract.answers.streams import ConsumerState, Streams
from diagmesh.contract.subjects import matches
from diagmesh.errors import BusError, NotRunning, Unreadable
from diagmesh.target import Target
from diagmesh_agents._joining import joined, sockets_of

__all__ = ["with_use"]

_ASK_S: Final = 1.0
_MOST_CONNECTIONS: Final = 8


async def with_use(answer: Streams, target: Target) -> Streams:
    """The answer, with `ConsumerState.used` where it is known; costs nothing where nothing is pushed."""
    if not any(one.push_to and one.push_bound for one in answer.consumers):
        return answer
    subjects = await _subscribed(target)
    if subjects is None:
        return answer
    return replace(answer, consumers=tuple(_judged(one, subjects) for one in answer.consumers))


def _judged(one: ConsumerState, subjects: frozenset[str]) -> ConsumerState:
    if not one.push_to or not one.push_bound:
        return one
    return replace(one, used=one.push_to in subjects or any(matches(each, one.push_to) for each in subjects))


async def _subscribed(target: Target) -> frozenset[str] | None:
    """What the connections of the process subscribe to; None unless all of them could be seen."""
    try:
        sockets = await asyncio.to_thread(sockets_of, target)
        seen, _, clocks = await connz.scan(target.nats, _ASK_S)
        found = {one.key: one.one.cid for one in joined(sockets, seen).values()}
        if not 0 < len(found) <= _MOST_CONNECTIONS:
            return None
        detailed = await connz.detail(target.nats, tuple(found.values()), _ASK_S, servers=len(clocks))
    except (NotRunning, Unreadable, BusError):
        return None
    if found.keys() - detailed.keys():
        return None
    return frozenset(sub.subject for key in found for sub in detailed[key].one.subs_detail)
