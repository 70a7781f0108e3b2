"""Who is around a nats-server: peers by route and gateway, leafnodes, the meta group, accounts."""

from typing import Final

from diagmesh.adapters.natsmon.accountz import AccountLimits
from diagmesh.adapters.natsmon.gatewayz import Gatewayz
from diagmesh.adapters.natsmon.jsz import AccountDetail, Jsz, limited
from diagmesh.adapters.natsmon.leafz import Leafz
from diagmesh.adapters.natsmon.raftz import RaftState
from diagmesh.adapters.natsmon.replies import Replies
from diagmesh.adapters.natsmon.routez import Route, Routez
from diagmesh.adapters.natsmon.spans import parse_span_s
from diagmesh.contract.answers.server_parts import Account, Leaf, Link, Meta, MetaPeer

__all__ = ["accounts_of", "gateways_of", "leafs_of", "meta_of", "routes_of"]

_MOST_ACCOUNTS: Final = 32
_HALF: Final = 0.5
_MOST_LEAFS: Final = 128
_MOST_LINKS: Final = 128


def _ms(span: str) -> float | None:
    seconds = parse_span_s(span)
    return round(1000 * seconds, 3) if seconds else None


def routes_of(routez: Routez | None) -> tuple[Link, ...]:
    """By peer, all its routes together."""
    peers: dict[str, list[Route]] = {}
    for one in routez.routes if routez is not None else ():
        peers.setdefault(one.remote_name or one.remote_id, []).append(one)
    links = [
        Link(
            name=name,
            connections=len(ones),
            rtt_ms=max((rtt for one in ones if (rtt := _ms(one.rtt)) is not None), default=None),
            pending_bytes=sum(one.pending_size for one in ones),
        )
        for name, ones in sorted(peers.items())
    ]
    return tuple(links[:_MOST_LINKS])


def gateways_of(gatewayz: Gatewayz | None) -> tuple[Link, ...]:
    """By remote cluster."""
    if gatewayz is None:
        return ()
    names = sorted({*gatewayz.outbound_gateways, *gatewayz.inbound_gateways})
    links = []
    for name in names[:_MOST_LINKS]:
        out = gatewayz.outbound_gateways.get(name)
        connection = out.connection if out is not None else None
        links.append(
            Link(
                name=name,
                connections=int(connection is not None),
                inbound=len(gatewayz.inbound_gateways.get(name, ())),
                rtt_ms=_ms(connection.rtt) if connection is not None else None,
                pending_bytes=connection.pending_bytes if connection is not None else 0,
            )
        )
    return tuple(links)


def leafs_of(leafz: Leafz | None) -> tuple[Leaf, ...]:
    """Each connection."""
    found = leafz.leafs if leafz is not None else ()
    return tuple(
        Leaf(name=one.name, account=one.account, spoke=one.is_spoke, rtt_ms=_ms(one.rtt)) for one in found[:_MOST_LEAFS]
    )


def meta_of(jsz: Jsz | None, state: RaftState | None, name: str) -> Meta | None:
    """The meta group, as JSZ and RAFTZ tell it; None where there is none."""
    group = jsz.meta_cluster if jsz is not None else None
    if group is None:
        return None
    peers = tuple(
        MetaPeer(
            name=one.name or one.peer,
            current=one.current,
            offline=one.offline,
            lag=one.lag,
            heard_s=round(one.active / 1e9, 3) if one.active > 0 else None,
        )
        for one in group.replicas
    )
    return Meta(
        leader=group.leader,
        leads=bool(group.leader) and group.leader == name,
        size=group.cluster_size,
        peers=peers,
        pending=group.pending,
        behind=max(0, state.committed - state.applied) if state is not None else None,
    )


def accounts_of(replies: Replies) -> tuple[Account, ...]:
    """In use, those near a limit first, then the busiest, each with its limits where they are told."""
    if replies.accstatz is None:
        return ()
    stores = {one.id or one.name: one for one in (replies.jsz.account_details if replies.jsz is not None else ())}
    found = []
    for stat in replies.accstatz.accounts:
        detail = replies.accounts.get(stat.acc)
        claims = detail.decoded_jwt if detail is not None else None
        limits = claims.nats.limits if claims is not None else AccountLimits()
        store = stores.get(stat.acc, AccountDetail())
        found.append(
            Account(
                name=stat.name or stat.acc,
                connections=stat.conns,
                leafs=stat.leafnodes,
                subscriptions=stat.num_subscriptions,
                in_msgs=stat.received.msgs,
                out_msgs=stat.sent.msgs,
                slow_consumers=stat.slow_consumers,
                max_connections=_limit(limits.conn),
                max_leafs=_limit(limits.leaf),
                max_subscriptions=_limit(limits.subs),
                memory_bytes=store.memory,
                max_memory_bytes=limited(store.reserved_memory),
                storage_bytes=store.storage,
                max_storage_bytes=limited(store.reserved_storage),
            )
        )
    found.sort(key=lambda one: (-_near(one), -one.connections, -one.in_msgs - one.out_msgs, one.name))
    return tuple(found[:_MOST_ACCOUNTS])


def _near(one: Account) -> float:
    """How much it uses of the limit that it is nearest to; 0 below half, where that says nothing."""
    uses = (
        (one.connections, one.max_connections),
        (one.leafs, one.max_leafs),
        (one.subscriptions, one.max_subscriptions),
        (one.memory_bytes, one.max_memory_bytes),
        (one.storage_bytes, one.max_storage_bytes),
    )
    share = max((used / most for used, most in uses if most), default=0.0)
    return share if share >= _HALF else 0.0


def _limit(value: int) -> int | None:
    return value if value > 0 else None
