"""CONNZ: the connections of a server, open or closed."""

from datetime import datetime

from msgspec import field

from diagmesh.adapters.natsmon.door import Part
from diagmesh.adapters.natsmon.spans import parse_span_s

__all__ = ["Connection", "Connz", "Subscription", "TlsPeer"]


class Subscription(Part, frozen=True, kw_only=True, gc=False):
    """One subscription of one connection (``subs=detail``), or of SUBSZ.

    Args:
        subject: that it is on.
        queue: its queue group; empty for none.
        sid: its number in the connection.
        msgs: how many messages were delivered to it.
        max_msgs: after so many it ends; 0 for never.
        cid: of the connection.
        account: that it is in.
    """

    subject: str = ""
    queue: str = field(default="", name="qgroup")
    sid: str = ""
    msgs: int = 0
    max_msgs: int = field(default=0, name="max")
    cid: int = 0
    account: str = ""


class TlsPeer(Part, frozen=True, kw_only=True, gc=False):
    """A certificate that a client showed."""

    subject: str = ""
    subject_pk_sha256: str = ""


class Connection(Part, frozen=True, kw_only=True, gc=False):
    """One connection.

    Source: ``ConnInfo`` in server/monitor.go of nats-server.

    Args:
        cid: its number at this server.
        kind: ``Client``, ``Leafnode``, …
        type: ``nats``, ``mqtt`` or ``websocket``.
        ip: of the peer, as the server sees it.
        port: of the peer.
        start: when it was made.
        last_activity: of either side.
        stop: when it ended (closed ones only).
        reason: why it ended (closed ones only), as ``Slow Consumer (Pending Bytes)``.
        rtt: between server and client, as Go writes it; see `rtt_s`.
        uptime: how long it has been there; see `spans.parse_span_s`.
        idle: since its last activity.
        pending_bytes: that the server holds for it; cut off at ``max_pending`` of VARZ.
        in_msgs: from the client.
        out_msgs: to the client.
        in_bytes: from the client.
        out_bytes: to the client.
        stalls: how often publishers were held up because this client was slow to receive.
        num_subs: how many subscriptions it has.
        name: that the client gave itself.
        lang: of its library.
        version: of its library.
        tls_version: as ``1.3``; empty without TLS.
        tls_first: whether TLS came before INFO.
        authorized_user: who it is (``auth=1``).
        account: that it is in (``auth=1``).
        name_tag: of the account.
        jwt: of the user, in operator mode (``auth=1``); to be read, not to be told on.
        subs: subjects (``subs=1``).
        subs_detail: with their messages (``subs=detail``).
    """

    cid: int = 0
    kind: str = ""
    type: str = ""
    ip: str = ""
    port: int = 0
    start: datetime | None = None
    last_activity: datetime | None = None
    stop: datetime | None = None
    reason: str = ""
    rtt: str = ""
    uptime: str = ""
    idle: str = ""
    pending_bytes: int = 0
    in_msgs: int = 0
    out_msgs: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    stalls: int = 0
    num_subs: int = field(default=0, name="subscriptions")
    name: str = ""
    lang: str = ""
    version: str = ""
    tls_version: str = ""
    tls_first: bool = False
    tls_peer_certs: tuple[TlsPeer, ...] = ()
    authorized_user: str = ""
    account: str = ""
    name_tag: str = ""
    jwt: str = ""
    mqtt_client: str = ""
    subs: tuple[str, ...] = field(default=(), name="subscriptions_list")
    subs_detail: tuple[Subscription, ...] = field(default=(), name="subscriptions_list_detail")

    @property
    def rtt_s(self) -> float | None:
        """The round trip in seconds; None where it was not measured (a server says ``0s`` then)."""
        return parse_span_s(self.rtt) or None


class Connz(Part, frozen=True, kw_only=True, gc=False):
    """A page of connections.

    Args:
        server_id: of whom.
        now: by its clock.
        num_connections: on this page.
        total: there are.
        offset: of the page.
        limit: of the page.
        connections: sorted as asked.
    """

    server_id: str = ""
    now: datetime | None = None
    num_connections: int = 0
    total: int = 0
    offset: int = 0
    limit: int = 0
    connections: tuple[Connection, ...] = ()
