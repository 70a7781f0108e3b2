"""Answers of `connection` with something in every part, for views."""

from datetime import timedelta
from typing import Final

from diagmesh.contract.answers.connection import (
    AddressLook,
    AuthSeen,
    AuthVerdict,
    Certificate,
    Connection,
    Door,
    DoorVerdict,
    Ended,
    Greeting,
    Link,
    PortKind,
    RoundTrips,
    ServerView,
    SubscriptionView,
)
from diagmesh.contract.wire import Blind
from support.replies import NOW

__all__ = ["LINKED", "SHUT"]

_OPEN: Final = Door(
    url="tls://n1:4222",
    verdict=DoorVerdict.OPEN,
    addresses=(AddressLook(address="10.0.0.9:4222", took_ms=0.4),),
    phases_ms={"resolve": 0.2, "connect": 0.4, "greeting": 0.1, "tls": 2.5, "auth": 0.6, "pings": 3.0},
    port=PortKind.CLIENT,
    greeting=Greeting(name="n1", id="N1", version="2.15.1", cluster="c", max_payload_bytes=1 << 20, auth_required=True),
    tls=Certificate(protocol="TLSv1.3", names=("n1", "n1.example"), issuer="ca", days_left=41.0),
    auth=AuthSeen(verdict=AuthVerdict.ACCEPTED, role="the JWT in orders.creds", expires_at=NOW + timedelta(days=3)),
    round_trips=RoundTrips(count=10, p50_ms=0.3, p95_ms=0.8, max_ms=1.1),
    still_linked=True,
)
_REFUSED: Final = Door(
    url="nats://n2:4222",
    verdict=DoorVerdict.REFUSED,
    reason="connection refused: nothing listens (10.0.0.10:4222)",
    fix="see whether nats-server runs there, and whether the port in the URL is its client port",
    addresses=(AddressLook(address="10.0.0.10:4222", reason="connection refused: nothing listens", took_ms=0.2),),
    phases_ms={"resolve": 0.2, "connect": 0.2},
)
LINKED: Final = Connection(
    verdict=DoorVerdict.OPEN,
    doors=(_OPEN, _REFUSED),
    links=(
        Link(
            local="10.0.0.7:40000",
            remote="10.0.0.9:4222",
            state="ESTABLISHED",
            send_queue_bytes=0,
            receive_queue_bytes=120_000,
            seen=ServerView(
                server="n1",
                cid=17,
                name="orders",
                account="APP",
                client="go 1.49.0",
                started_at=NOW - timedelta(hours=3),
                rtt_ms=0.6,
                idle_s=2.0,
                pending_bytes=3_000_000,
                stalls_per_s=12.0,
                subscriptions=7,
                in_msgs_per_s=12.0,
                out_msgs_per_s=250.0,
                subs=(
                    SubscriptionView(subject="orders.new", queue="workers", msgs=120_000, msgs_per_s=240.0),
                    SubscriptionView(subject="orders.cancel", msgs=1),
                ),
            ),
        ),
    ),
    ended=(
        Ended(
            reason="Slow Consumer (Pending Bytes)",
            count=2,
            lately=1,
            last_at=NOW - timedelta(minutes=2),
            server="n1",
            cid=9,
            name="orders",
            lived_s=812.0,
            pending_bytes=64 << 20,
            subjects=("orders.new",),
        ),
    ),
    reconnects=2,
    ended_lately=1,
    connections=1,
    rtt_ms=0.3,
    pending_bytes=3_000_000,
    subscriptions=7,
    in_msgs_per_s=12.0,
    out_msgs_per_s=250.0,
    max_payload_bytes=1 << 20,
    knocked_from="target.connection",
    observer="connected",
)
"""One server open, one down, and a connection that is read too slowly."""

SHUT: Final = Connection(
    verdict=DoorVerdict.REFUSED,
    doors=(_REFUSED,),
    links=(),
    connections=0,
    knocked_from="target.connection",
    blind=(
        Blind(
            what="connections as the servers see them",
            why="the sidecar has no connection in the application's account",
            fix="add a table [targets.nats]",
        ),
    ),
)
"""The only server is down, and there is no observer."""
