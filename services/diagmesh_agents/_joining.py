"""How `connection` joins what the kernel, the servers and our own knocks tell: pure functions."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from diagmesh.adapters.connz import Seen
from diagmesh.adapters.natsdoor.login import expires_at, life_of, most_subscriptions
from diagmesh.adapters.natsmon.spans import parse_span_s
from diagmesh.contract.answers.connection import (
    Door,
    DoorVerdict,
    Ended,
    Link,
    ServerView,
    SubscriptionView,
)
from diagmesh.target import MetConnections, Target, TcpLink

__all__ = [
    "LATELY_S",
    "best",
    "ended",
    "joined",
    "lately",
    "links",
    "mark_linked",
    "own_closed",
    "sockets_of",
    "unanswered",
    "view",
]

LATELY_S: Final = 300.0
_OWN_NAMES: Final = ("diag-preflight/", "diag-observer/", "diag-monitor/", "diag/")
_MOST_SUBJECTS: Final = 8
_MOST_LINKS: Final = 32
_HARDLY: Final = 10
"""Less than one message for so many requests."""
Key = tuple[str, int]


def joined(sockets: Sequence[TcpLink], seen: Sequence[Seen]) -> dict[TcpLink, Seen]:
    """Which connection of which server each socket is: the server sees it come from our address and port.

    Behind an address translation the address differs; a port that only one socket and one connection have counts then.
    """
    by_port: dict[int, list[Seen]] = {}
    for one in seen:
        by_port.setdefault(one.one.port, []).append(one)
    ports = Counter(socket.local_port for socket in sockets)
    found: dict[TcpLink, Seen] = {}
    for socket in sockets:
        same = by_port.get(socket.local_port, [])
        exact = [one for one in same if one.one.ip == socket.local_address]
        if exact:
            found[socket] = exact[0]
        elif len(same) == 1 and ports[socket.local_port] == 1 and not socket.local_address.startswith("127."):
            found[socket] = same[0]
    return found


def sockets_of(target: Target) -> Sequence[TcpLink]:
    """The TCP connections of the process; reads many files, so not in the event loop.

    Raises:
        NotRunning: it ended.
        Unreadable: its descriptors may not be read.
    """
    return target.process.tcp_links()


def mark_linked(doors: Sequence[Door], sockets: Sequence[TcpLink]) -> tuple[Door, ...]:
    """The doors, each with whether the process has a connection to that very address."""
    there = {_where(one.remote_address, one.remote_port) for one in sockets if one.state == "ESTABLISHED"}
    return tuple(
        msgspec.structs.replace(door, still_linked=any(look.address in there for look in door.addresses))
        for door in doors
    )


def links(
    sockets: Sequence[TcpLink],
    doors: Sequence[Door],
    first: Mapping[TcpLink, Seen],
    later: Mapping[Key, Seen],
    most_subs: int,
    answers: Collection[str] = (),
) -> tuple[Link, ...]:
    """The sockets that are connections to NATS: a server knows them, or they go where a door is."""
    there = {look.address for door in doors for look in door.addresses}
    told = []
    for socket in sockets:
        seen = first.get(socket)
        if seen is None and _where(socket.remote_address, socket.remote_port) not in there:
            continue
        told.append(
            Link(
                local=_where(socket.local_address, socket.local_port),
                remote=_where(socket.remote_address, socket.remote_port),
                state=socket.state,
                send_queue_bytes=socket.send_queue_bytes,
                receive_queue_bytes=socket.receive_queue_bytes,
                seen=view(seen, later.get(seen.key), most_subs, answers) if seen is not None else None,
            )
        )
    told.sort(key=lambda link: (link.seen is None, -(link.seen.pending_bytes if link.seen else 0)))
    return tuple(told[:_MOST_LINKS])


def view(first: Seen, later: Seen | None, most_subs: int, answers: Collection[str] = ()) -> ServerView:
    """One connection as its server told it: the later look, with rates where there are two.

    Subscriptions of ``answers`` are told in any case, the others up to ``most_subs``.
    """
    last = later or first
    one, before = last.one, first.one
    passed_s = last.now_s - first.now_s
    rate = _Rate(passed_s if later is not None else 0.0)
    earlier = {(sub.sid, sub.subject): sub.msgs for sub in before.subs_detail}
    left_s, lifetime_s = life_of(one.jwt, last.now_s)
    subs = [
        SubscriptionView(
            subject=sub.subject,
            queue=sub.queue,
            msgs=sub.msgs,
            msgs_per_s=rate(earlier[sub.sid, sub.subject], sub.msgs) if (sub.sid, sub.subject) in earlier else None,
            answers=sub.subject in answers,
        )
        for place, sub in enumerate(sorted(one.subs_detail, key=lambda sub: -sub.msgs))
        if place < most_subs or sub.subject in answers
    ]
    return ServerView(
        server=last.server,
        server_id=last.server_id,
        cid=one.cid,
        name=one.name,
        account=one.account,
        user=one.authorized_user,
        client=f"{one.lang} {one.version}".strip(),
        started_at=one.start,
        rtt_ms=round(1000 * one.rtt_s, 3) if one.rtt_s is not None else None,
        idle_s=parse_span_s(one.idle),
        pending_bytes=one.pending_bytes,
        stalls=one.stalls,
        stalls_per_s=rate(before.stalls, one.stalls),
        subscriptions=one.num_subs,
        most_subscriptions=most_subscriptions(one.jwt),
        jwt_expires_at=expires_at(one.jwt),
        jwt_left_s=left_s,
        jwt_lifetime_s=lifetime_s,
        in_msgs=one.in_msgs,
        out_msgs=one.out_msgs,
        in_msgs_per_s=rate(before.in_msgs, one.in_msgs),
        out_msgs_per_s=rate(before.out_msgs, one.out_msgs),
        in_bytes_per_s=rate(before.in_bytes, one.in_bytes),
        out_bytes_per_s=rate(before.out_bytes, one.out_bytes),
        subs=tuple(subs),
    )


def unanswered(first: Iterable[Seen], later: Mapping[Key, Seen], answers: Collection[str]) -> bool:
    """Whether requests came between the two looks, and hardly anything was sent."""
    for before in first:
        last = later.get(before.key)
        if last is None:
            continue
        earlier = {(sub.sid, sub.subject): sub.msgs for sub in before.one.subs_detail}
        came = sum(
            sub.msgs - earlier.get((sub.sid, sub.subject), sub.msgs)
            for sub in last.one.subs_detail
            if sub.subject in answers
        )
        if _HARDLY * (last.one.in_msgs - before.one.in_msgs) < came:
            return True
    return False


def own_closed(seen: Iterable[Seen], met: MetConnections, client_name: str) -> list[Seen]:
    """Which ended connections were of this instance: those that we met, and those of its name from its addresses."""
    names = {*met.names, *filter(None, (client_name,))}
    return [
        one
        for one in seen
        if one.key in met.keys
        or (
            one.one.name in names
            and not one.one.name.startswith(_OWN_NAMES)
            and (not met.addresses or one.one.ip in met.addresses)
        )
    ]


def ended(closed: Sequence[Seen]) -> tuple[Ended, ...]:
    """By reason, the latest first."""
    by_reason: dict[str, list[Seen]] = {}
    for one in closed:
        by_reason.setdefault(one.one.reason or "no reason told", []).append(one)
    return tuple(_of_reason(reason, many) for reason, many in by_reason.items())


def best(doors: Sequence[Door]) -> DoorVerdict | None:
    """How far the knock that came furthest came."""
    order = list(DoorVerdict)
    return min((door.verdict for door in doors), key=order.index, default=None)


def _of_reason(reason: str, many: Sequence[Seen]) -> Ended:
    last, one = many[0], many[0].one
    lived = (one.stop - one.start).total_seconds() if one.stop is not None and one.start is not None else None
    subs = sorted(one.subs_detail, key=lambda sub: -sub.msgs)
    return Ended(
        reason=reason,
        count=len(many),
        lately=sum(lately(each) for each in many),
        last_at=one.stop,
        first_at=many[-1].one.stop,
        server=last.server,
        cid=one.cid,
        name=one.name,
        lived_s=round(lived, 3) if lived is not None else None,
        pending_bytes=one.pending_bytes,
        subjects=tuple(dict.fromkeys(sub.subject for sub in subs))[:_MOST_SUBJECTS],
    )


def lately(closed: Seen) -> bool:
    """Whether it ended in the last five minutes, by the clock of its server."""
    return closed.one.stop is not None and closed.now_s - closed.one.stop.timestamp() < LATELY_S


class _Rate:
    def __init__(self, passed_s: float) -> None:
        self._passed_s = passed_s

    def __call__(self, before: int, after: int) -> float | None:
        return round(max(0, after - before) / self._passed_s, 3) if self._passed_s > 0 else None


def _where(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
