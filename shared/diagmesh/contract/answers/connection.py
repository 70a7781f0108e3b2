"""`connection`: can the instance reach NATS from here, which connections does it have, and why did earlier ones go."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = [
    "AddressLook",
    "AuthSeen",
    "AuthVerdict",
    "Certificate",
    "Connection",
    "ConnectionQuestion",
    "Door",
    "DoorVerdict",
    "Ended",
    "Greeting",
    "Link",
    "PortKind",
    "RoundTrips",
    "ServerView",
    "SubscriptionView",
]


class DoorVerdict(StrEnum):
    """How far a knock at a server came.

    *mute*: TCP connects, and nothing at all is said. *wrong-port*: NATS, but none for clients. *plain-text*: TLS is
    wanted and the server offers none. *limit*: the server or account takes no more connections. *closed*: it ended the
    connection without a word. *blind*: nothing can be said, for a reason of ours.
    """

    OPEN = "open"
    BLIND = "blind"
    NAME_UNKNOWN = "name-unknown"
    RESOLVER_FAILS = "resolver-fails"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNANSWERED = "unanswered"
    MUTE = "mute"
    WRONG_PORT = "wrong-port"
    NOT_NATS = "not-nats"
    PLAIN_TEXT = "plain-text"
    TLS_FAILED = "tls-failed"
    CREDENTIALS_REFUSED = "credentials-refused"
    JWT_EXPIRED = "jwt-expired"
    LIMIT = "limit"
    CLOSED = "closed"


class PortKind(StrEnum):
    """What kind of port a server answers on."""

    UNKNOWN = "unknown"
    CLIENT = "client"
    LEAFNODE = "leafnode"
    ROUTE = "route"
    GATEWAY = "gateway"
    WEBSOCKET = "websocket"
    HTTP = "http"
    TLS_FIRST = "tls-first"
    OTHER = "other"


class AuthVerdict(StrEnum):
    """What became of the credentials; *not-tried* where the settings give none, or it did not come to that."""

    NOT_TRIED = "not-tried"
    NOT_NEEDED = "not-needed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"


class ConnectionQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Which looks to take.

    Args:
        preflight: knock at the servers (one short connection to each).
        pings: round trips to measure at each of them.
        interval_s: between the two looks from which rates are made, more where requests wait for answers; 0 for one
            look and no rates.
        subscriptions: tell at most so many of each connection, those with the most messages first.
        closed: look for so many of the last ended connections of a server.
    """

    preflight: bool = True
    pings: Annotated[int, Meta(ge=0, le=50)] = 10
    interval_s: Annotated[float, Meta(ge=0, le=3)] = 0.5
    subscriptions: Annotated[int, Meta(ge=0, le=1000)] = 50
    closed: Annotated[int, Meta(ge=0, le=1024)] = 256


class AddressLook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One address that the name stands for.

    Args:
        address: with its port.
        reason: why it took no connection; empty where it did, or was not tried because another one did.
        took_ms: until that was known; missing where it was not tried.
    """

    address: str
    reason: str = ""
    took_ms: float | None = None


class Greeting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a server says of itself at the beginning (INFO).

    Args:
        name: of the server.
        id: of this run of it.
        version: of nats-server.
        cluster: that it belongs to.
        max_payload_bytes: the largest message it takes, headers included.
        auth_required: whether it wants to know who comes.
        tls_required: whether it wants TLS.
        jetstream: whether it has JetStream.
        lame_duck: whether it is about to stop.
        peers: how many other servers it names.
    """

    name: str = ""
    id: str = ""
    version: str = ""
    cluster: str = ""
    max_payload_bytes: int | None = None
    auth_required: bool = False
    tls_required: bool = False
    jetstream: bool = False
    lame_duck: bool = False
    peers: int = 0


class Certificate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The certificate of a server whose chain and name were verified.

    Args:
        protocol: of the connection, as ``TLSv1.3``.
        names: for which it stands.
        issuer: who signed it.
        expires_at: its end.
        days_left: until then.
    """

    protocol: str
    names: tuple[str, ...] = ()
    issuer: str = ""
    expires_at: datetime | None = None
    days_left: float | None = None


class AuthSeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The credentials, as whom, and what the server said to them.

    Args:
        verdict: what became of them.
        role: as whom, without secrets.
        expires_at: the end of the JWT; missing where there is none or it has no end.
        left_s: until then, by the clock here.
        lifetime_s: for how long it was issued; missing where it does not say when.
    """

    verdict: AuthVerdict = AuthVerdict.NOT_TRIED
    role: str = ""
    expires_at: datetime | None = None
    left_s: float | None = None
    lifetime_s: float | None = None


class RoundTrips(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """PING to PONG over one connection.

    Args:
        count: how many were measured.
        p50_ms: the middle.
        p95_ms: one in twenty takes longer.
        max_ms: the longest.
    """

    count: int
    p50_ms: float
    p95_ms: float
    max_ms: float


class Door(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One knock at one server, layer by layer.

    Args:
        url: without user, password or token.
        verdict: how far it came.
        reason: why no further, in words.
        fix: what to do about it.
        addresses: that the name stands for.
        phases_ms: time per layer (``resolve``, ``connect``, ``greeting``, ``tls``, ``auth``, ``pings``).
        port: what kind of port it is.
        greeting: what the server says of itself.
        tls: its certificate.
        auth: what became of the credentials.
        round_trips: how fast it answers.
        still_linked: whether the process has a connection to that very address, although no new one is taken.
    """

    url: str
    verdict: DoorVerdict
    reason: str = ""
    fix: str = ""
    addresses: tuple[AddressLook, ...] = ()
    phases_ms: dict[str, float] = {}
    port: PortKind = PortKind.UNKNOWN
    greeting: Greeting | None = None
    tls: Certificate | None = None
    auth: AuthSeen = AuthSeen()
    round_trips: RoundTrips | None = None
    still_linked: bool = False


class SubscriptionView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One subscription of one connection.

    Args:
        subject: that it is on.
        queue: its queue group.
        msgs: how many messages the server has delivered to it.
        msgs_per_s: between the two looks.
        answers: whether the service must answer on it, as the settings say.
    """

    subject: str
    queue: str = ""
    msgs: int = 0
    msgs_per_s: float | None = None
    answers: bool = False


class ServerView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One connection as its server sees it (CONNZ).

    Args:
        server: name of the server.
        server_id: of this run of it.
        cid: number of the connection there.
        name: that the client gave itself.
        account: that it is in.
        user: who it is.
        client: library and version.
        started_at: when it was made.
        rtt_ms: between server and client.
        idle_s: since its last activity.
        pending_bytes: that the server holds for it.
        stalls: how often a publisher was held up because this connection did not take what was sent to it.
        stalls_per_s: between the two looks.
        subscriptions: how many it has.
        most_subscriptions: how many it may have by the JWT of its user; missing where that says nothing.
        jwt_expires_at: when that JWT ends; the server ends the connection then.
        jwt_left_s: until then, by the clock of the server; ``jwt_lifetime_s`` for how long it was issued.
        in_msgs_per_s: from the client, between the two looks.
        out_msgs_per_s: to the client.
        in_bytes_per_s: from the client.
        out_bytes_per_s: to the client.
        in_msgs: from the client, since it was made.
        out_msgs: to the client.
        subs: those with the most messages.
    """

    server: str
    server_id: str = ""
    cid: int
    name: str = ""
    account: str = ""
    user: str = ""
    client: str = ""
    started_at: datetime | None = None
    rtt_ms: float | None = None
    idle_s: float | None = None
    pending_bytes: int = 0
    stalls: int = 0
    stalls_per_s: float | None = None
    subscriptions: int = 0
    most_subscriptions: int | None = None
    jwt_expires_at: datetime | None = None
    jwt_left_s: float | None = None
    jwt_lifetime_s: float | None = None
    in_msgs: int = 0
    out_msgs: int = 0
    in_msgs_per_s: float | None = None
    out_msgs_per_s: float | None = None
    in_bytes_per_s: float | None = None
    out_bytes_per_s: float | None = None
    subs: tuple[SubscriptionView, ...] = ()


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One connection that the process really has.

    Args:
        local: address and port on this side.
        remote: address and port of the server.
        state: of TCP.
        send_queue_bytes: handed to the kernel and not confirmed by the other side.
        receive_queue_bytes: arrived and not read by the process.
        seen: by the server; missing where that could not be asked, or no server knows it.
    """

    local: str
    remote: str
    state: str
    send_queue_bytes: int
    receive_queue_bytes: int
    seen: ServerView | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Earlier connections of the instance that ended for one reason.

    Args:
        reason: as the server writes it (``Slow Consumer (Pending Bytes)``).
        count: how many.
        lately: how many of these in the last five minutes, by the clock of the server.
        last_at: when the last one ended.
        first_at: when the first of these did.
        server: of the last one.
        cid: of the last one.
        name: of the last one.
        lived_s: how long the last one had lived.
        pending_bytes: that the server held for the last one.
        subjects: that the last one was subscribed to, those with the most messages first.
    """

    reason: str
    count: int
    lately: int = 0
    last_at: datetime | None = None
    first_at: datetime | None = None
    server: str = ""
    cid: int = 0
    name: str = ""
    lived_s: float | None = None
    pending_bytes: int = 0
    subjects: tuple[str, ...] = ()


class ServerClock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How far the clock of a server is ahead of the one here (seconds; negative: behind).

    Args:
        server: its name.
        low_s: by no less than this.
        high_s: by no more than this.
    """

    server: str
    low_s: float
    high_s: float


class Connection(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an instance has with NATS.

    Args:
        verdict: the best of the doors: one open server of a cluster is enough.
        doors: each server that it should connect to, knocked at from here.
        links: the connections that its process has now; missing where its sockets could not be read.
        ended: why earlier ones went, by reason, the most recent first; missing where that could not be asked.
        reconnects: how many of its earlier connections the servers still know.
        ended_lately: how many of these ended in the last five minutes.
        connections: how many it has now.
        rtt_ms: the middle round trip of the fastest open door.
        pending_bytes: that the servers hold for it.
        subscriptions: over all its connections.
        in_msgs_per_s: that it publishes, over all of them.
        out_msgs_per_s: that it receives.
        max_payload_bytes: of the open server that takes the least.
        clocks: of the servers, against the one of this host; missing where they could not be asked.
        knocked_from: ``target.connection`` or ``target.nats``: which settings named the servers.
        observer: where the observer connection stands; empty where the settings give none.
        blind: what could not be seen.
    """

    may_lack: ClassVar[bool] = True  # beside a nats-server, or where nobody said where the service connects to

    verdict: Annotated[DoorVerdict | None, Ranked(tuple(DoorVerdict), unknown="blind")] = None
    doors: tuple[Door, ...] = ()
    links: tuple[Link, ...] | None = None
    ended: tuple[Ended, ...] | None = None
    reconnects: Annotated[int | None, Measure("count")] = None
    ended_lately: Annotated[int | None, Measure("count")] = None
    connections: Annotated[int | None, Measure("count")] = None
    rtt_ms: Annotated[float | None, Measure("ms")] = None
    pending_bytes: Annotated[int | None, Measure("bytes")] = None
    subscriptions: Annotated[int | None, Measure("count")] = None
    in_msgs_per_s: Annotated[float | None, Measure("1/s")] = None
    out_msgs_per_s: Annotated[float | None, Measure("1/s")] = None
    max_payload_bytes: int | None = None
    clocks: tuple[ServerClock, ...] | None = None
    knocked_from: str = ""
    observer: str = ""
    blind: tuple[Blind, ...] = ()
