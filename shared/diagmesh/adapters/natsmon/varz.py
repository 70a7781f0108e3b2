"""VARZ: a server, its settings, its load and what it counted."""

from datetime import datetime

from diagmesh.adapters.natsmon.door import Part
from diagmesh.adapters.natsmon.jsz import JetStreamConfig, JetStreamStats, MetaCluster

__all__ = ["ByKind", "Cluster", "Gateway", "JetStream", "Leaf", "Listener", "Remote", "RemoteLeaf", "Varz"]


class Listener(Part, frozen=True, kw_only=True, gc=False):
    """A door of the server: what those of cluster, gateway, leafnodes, MQTT and websocket have in common.

    Args:
        host: that it listens on.
        port: that it listens on; 0 when the door is not there.
        tls_required: whether it speaks TLS only.
        tls_cert_not_after: when its certificate expires (2.12 and newer; missing without TLS).
    """

    host: str = ""
    port: int = 0
    tls_required: bool = False
    tls_cert_not_after: datetime | None = None


class Cluster(Listener, frozen=True, kw_only=True, gc=False):
    """The door for routes.

    Args:
        name: of the cluster.
        urls: of the routes, as configured.
        pool_size: connections to each peer.
    """

    name: str = ""
    urls: tuple[str, ...] = ()
    pool_size: int = 0


class Remote(Part, frozen=True, kw_only=True, gc=False):
    """A remote gateway, as configured."""

    name: str = ""
    urls: tuple[str, ...] = ()
    tls_timeout: float = 0.0


class Gateway(Listener, frozen=True, kw_only=True, gc=False):
    """The door for gateways.

    Args:
        name: of this cluster.
        gateways: that it connects to.
        reject_unknown: whether only those.
    """

    name: str = ""
    gateways: tuple[Remote, ...] = ()
    reject_unknown: bool = False


class RemoteLeaf(Part, frozen=True, kw_only=True, gc=False):
    """A remote that this server connects to as a leafnode."""

    local_account: str = ""
    urls: tuple[str, ...] = ()


class Leaf(Listener, frozen=True, kw_only=True, gc=False):
    """The door for leafnodes.

    Args:
        remotes: that this server connects to.
    """

    remotes: tuple[RemoteLeaf, ...] = ()


class JetStream(Part, frozen=True, kw_only=True, gc=False):
    """JetStream of this server.

    Args:
        config: its reservation; missing while it is off.
        stats: what is used.
        meta: the meta group, in a cluster.
    """

    config: JetStreamConfig | None = None
    stats: JetStreamStats | None = None
    meta: MetaCluster | None = None


class ByKind(Part, frozen=True, kw_only=True, gc=False):
    """A counter, by kind of connection."""

    clients: int = 0
    routes: int = 0
    gateways: int = 0
    leafs: int = 0


class Varz(Part, frozen=True, kw_only=True, gc=False):
    """A server.

    Source: ``Varz`` in server/monitor.go of nats-server. Durations are nanoseconds, ``*_timeout`` seconds.

    Args:
        cpu: percent of one core, averaged by the server over about a second.
        mem: resident memory, bytes.
        max_connections: of clients.
        max_subscriptions: per connection; 0 or less for no limit.
        max_payload: bytes.
        max_pending: bytes that may wait for one client.
        write_deadline: nanoseconds.
        ping_interval: nanoseconds.
        connections: open ones of clients.
        total_connections: made since the start.
        slow_consumers: cut off, or over the write deadline, since the start.
        stalled_clients: how often a publisher was held up for a slow consumer (2.12 and newer).
        stale_connections: cut off because pings were not answered (2.12 and newer).
        tls_cert_not_after: when the certificate for clients expires (2.12 and newer).
    """

    server_id: str = ""
    server_name: str = ""
    version: str = ""
    proto: int = 0
    git_commit: str = ""
    go: str = ""
    host: str = ""
    port: int = 0
    auth_required: bool = False
    tls_required: bool = False
    tls_verify: bool = False
    tls_cert_not_after: datetime | None = None
    max_connections: int = 0
    max_subscriptions: int = 0
    ping_interval: int = 0
    ping_max: int = 0
    http_port: int = 0
    https_port: int = 0
    auth_timeout: float = 0.0
    max_control_line: int = 0
    max_payload: int = 0
    max_pending: int = 0
    write_deadline: int = 0
    cluster: Cluster = Cluster()
    gateway: Gateway = Gateway()
    leaf: Leaf = Leaf()
    mqtt: Listener = Listener()
    websocket: Listener = Listener()
    jetstream: JetStream = JetStream()
    start: datetime | None = None
    now: datetime | None = None
    uptime: str = ""
    mem: int = 0
    cores: int = 0
    gomaxprocs: int = 0
    gomemlimit: int = 0
    cpu: float = 0.0
    connections: int = 0
    total_connections: int = 0
    routes: int = 0
    remotes: int = 0
    leafnodes: int = 0
    in_msgs: int = 0
    out_msgs: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    in_client_msgs: int | None = None
    out_client_msgs: int | None = None
    in_client_bytes: int | None = None
    out_client_bytes: int | None = None
    slow_consumers: int = 0
    slow_consumer_stats: ByKind = ByKind()
    stale_connections: int | None = None
    stale_connection_stats: ByKind = ByKind()
    stalled_clients: int | None = None
    subscriptions: int = 0
    config_load_time: datetime | None = None
    config_digest: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    system_account: str = ""
    ocsp_peer_cache: dict[str, object] = {}
    pinned_account_fails: int = 0
