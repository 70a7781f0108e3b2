"""`server`: the nats-server beside the sidecar, as it sees itself: health, load, limits, peers, clients."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Self

import msgspec
from msgspec.structs import replace

from diagmesh.contract.answers.server_parts import (
    Account,
    Certificate,
    HealthCheck,
    JetStreamUse,
    Leaf,
    Link,
    Load,
    Meta,
    Pending,
    Rates,
    ServerLimits,
)
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = ["Server", "ServerQuestion", "Sign", "SignKind", "Source"]

_MOST_MERGED = 64


class ServerQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What to look at.

    ``detail``: ``brief`` takes one look (no rates where there was none before) and leaves out accounts and peers.

    Args:
        window_s: how far back ended connections count as of late.
    """

    window_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 300.0


class Source(StrEnum):
    """Where a sign was read: the ring of ended connections, the log of the server, or what clients say."""

    CLOSED = "closed"
    LOG = "log"
    CLIENT = "client"


class SignKind(StrEnum):
    """What happened."""

    SLOW_CONSUMER = "slow-consumer"
    PRODUCER_STALLED = "producer-stalled"
    AUTHENTICATION_FAILED = "authentication-failed"
    AUTHENTICATION_EXPIRED = "authentication-expired"
    PERMISSION_DENIED = "permission-denied"
    CONNECTIONS_EXCEEDED = "connections-exceeded"
    PAYLOAD_EXCEEDED = "payload-exceeded"
    SUBSCRIPTIONS_EXCEEDED = "subscriptions-exceeded"
    STALE_CONNECTION = "stale-connection"
    TLS_FAILED = "tls-failed"
    WRONG_PORT = "wrong-port"
    LAME_DUCK = "lame-duck"
    NO_RESPONDERS = "no-responders"
    TIMEOUT = "timeout"
    RECONNECTING = "reconnecting"
    """One client, connected and gone again and again, whatever the reason."""


class Sign(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that happened of late, as often as it is told.

    Args:
        kind: what.
        source: where it was read.
        count: how often.
        who: names or addresses of the clients, the most frequent first; bounded.
        subjects: that it is about; bounded.
        example: the words of the last one.
        last_at: when it was last so; missing where the source does not tell.
    """

    kind: SignKind
    source: Source
    count: int
    who: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    example: str = ""
    last_at: datetime | None = None


class Server(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The server, as it sees itself.

    Args:
        name: of the server.
        id: of this run of it.
        version: of nats-server.
        cluster: that it is in; empty when it stands alone.
        domain: of JetStream.
        start: of the server.
        at: the moment of the look, by its clock.
        authentication: whether clients must say who they are; missing when that was not told.
        accepts: whether its client port takes connections; looked at only when the server says that it is not ready.
        lame_duck: whether it sends its clients away.
        health: each variant of its health check.
        limits: as configured.
        rates: since an earlier look; missing after a single one.
        pending: clients for which bytes wait, the most first.
        signs: what happened within ``window_s`` (of a log: within what was read).
        window_s: how far back ended connections were looked at.
        moment_s: what ended longer ago belongs to an earlier moment; missing when all of ``window_s`` counts.
        log_read: whether lines of its log were read (saved ones: the endpoint does not tell them).
        clients_read: whether errors of clients were read, likewise.
        routes: by peer.
        gateways: by remote cluster; ``gateways_configured`` are those that the settings name.
        leafs: connections to and from leafnodes.
        meta: the meta group of JetStream; missing when it stands alone or JetStream is off.
        jetstream: missing when it is off.
        accounts: in use, the busiest first; bounded.
        certificates: of its doors, the first to expire first.
        servers: of a sum: every server on its own, without what is long.
        blind: what could not be seen.
    """

    may_lack: ClassVar[bool] = True
    name: str
    id: str = ""
    version: str = ""
    cluster: str = ""
    domain: str = ""
    start: datetime | None = None
    at: datetime | None = None
    authentication: bool | None = None
    accepts: bool | None = None
    lame_duck: bool = False
    health: tuple[HealthCheck, ...] = ()
    load: Load = Load()
    limits: ServerLimits = ServerLimits()
    rates: Rates | None = None
    pending: tuple[Pending, ...] = ()
    signs: tuple[Sign, ...] = ()
    window_s: float = 0.0
    moment_s: float | None = None
    log_read: bool = False
    clients_read: bool = False
    routes: tuple[Link, ...] = ()
    gateways: tuple[Link, ...] = ()
    gateways_configured: tuple[str, ...] = ()
    leafs: tuple[Leaf, ...] = ()
    meta: Meta | None = None
    jetstream: JetStreamUse | None = None
    accounts: tuple[Account, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    servers: "tuple[Server, ...]" = ()
    blind: tuple[Blind, ...] = ()

    @classmethod
    def as_one(cls, answers: Sequence[tuple[str, Self]]) -> Self | None:
        """All servers of the mesh: loads and rates added up, every server once, however many sidecars it has."""
        each = {one.id or where: one for where, one in sorted(answers, key=lambda pair: pair[0])}
        if not each:
            return None
        found = list(each.values())
        slim = tuple(replace(one, accounts=(), pending=(), signs=(), servers=()) for one in found[:_MOST_MERGED])
        clusters = sorted({one.cluster for one in found if one.cluster})
        return cls(
            name="1 server" if len(found) == 1 else f"{len(found)} servers",
            cluster=", ".join(clusters),
            load=Load.whole([one.load for one in found]),
            rates=Rates.whole([one.rates for one in found if one.rates is not None]),
            servers=slim,
        )
