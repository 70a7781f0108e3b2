"""JSZ: JetStream of a server, its meta group, and by request its accounts, streams and consumers."""

from datetime import datetime

from msgspec import field

from diagmesh.adapters.natsmon.door import Part

__all__ = [
    "AccountDetail",
    "ApiStats",
    "ConsumerConfig",
    "ConsumerDetail",
    "JetStreamConfig",
    "JetStreamStats",
    "Jsz",
    "MetaCluster",
    "Peer",
    "RaftGroup",
    "Sequence",
    "SourceState",
    "StreamConfig",
    "StreamDetail",
    "StreamState",
    "limited",
]

_UNLIMITED: int = 1 << 63


def limited(value: int) -> int | None:
    """A limit or reservation; None for none (a server says -1, also as an unsigned number, or 0).

    Args:
        value: as it came.
    """
    return value if 0 < value < _UNLIMITED else None


class ApiStats(Part, frozen=True, kw_only=True, gc=False):
    """Requests to the JetStream API since the start; ``inflight`` now."""

    level: int = 0
    total: int = 0
    errors: int = 0
    inflight: int = 0


class JetStreamConfig(Part, frozen=True, kw_only=True, gc=False):
    """What JetStream may use of this server; ``max_*`` are bytes."""

    max_memory: int = 0
    max_storage: int = 0
    store_dir: str = ""
    domain: str = ""
    unique_tag: str = ""


class JetStreamStats(Part, frozen=True, kw_only=True, gc=False):
    """What JetStream uses of this server, bytes; ``ha_assets`` are the replicated streams and consumers on it."""

    memory: int = 0
    storage: int = 0
    reserved_memory: int = 0
    reserved_storage: int = 0
    accounts: int = 0
    ha_assets: int = 0
    api: ApiStats = ApiStats()


class Peer(Part, frozen=True, kw_only=True, gc=False):
    """A member of a RAFT group, as another member sees it.

    Args:
        name: of the server.
        current: whether it has all that the leader has.
        offline: whether it is away.
        active: nanoseconds since it was heard; what a follower says of others is not kept up to date.
        lag: operations that it lacks.
        peer: its id.
    """

    name: str = ""
    current: bool = False
    offline: bool = False
    active: int = 0
    lag: int = 0
    peer: str = ""


class RaftGroup(Part, frozen=True, kw_only=True, gc=False):
    """The RAFT group of a stream or consumer; without replicas only the leader is told."""

    name: str = ""
    leader: str = ""
    raft_group: str = ""
    replicas: tuple[Peer, ...] = ()


class MetaCluster(RaftGroup, frozen=True, kw_only=True, gc=False):
    """The meta group; an empty ``leader`` is none."""

    peer: str = ""
    cluster_size: int = 0
    quorum_needed: int = 0
    pending: int = 0
    pending_requests: int = 0
    pending_infos: int = 0


class StreamConfig(Part, frozen=True, kw_only=True, gc=False):
    """A stream as configured; limits below zero are none, ``max_age`` and ``duplicate_window`` are nanoseconds."""

    name: str = ""
    description: str = ""
    subjects: tuple[str, ...] = ()
    retention: str = ""
    max_consumers: int = -1
    max_msgs: int = -1
    max_bytes: int = -1
    max_age: int = 0
    max_msgs_per_subject: int = -1
    max_msg_size: int = -1
    discard: str = ""
    discard_new_per_subject: bool = False
    storage: str = ""
    num_replicas: int = 1
    duplicate_window: int = 0
    sealed: bool = False
    metadata: dict[str, str] = {}


class StreamState(Part, frozen=True, kw_only=True, gc=False):
    """What a stream holds."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    first_ts: datetime | None = None
    last_seq: int = 0
    last_ts: datetime | None = None
    num_subjects: int = 0
    num_deleted: int = 0
    consumer_count: int = 0


class Sequence(Part, frozen=True, kw_only=True, gc=False):
    """A place in a consumer and in its stream, and when it moved last."""

    consumer_seq: int = 0
    stream_seq: int = 0
    last_active: datetime | None = None


class ConsumerConfig(Part, frozen=True, kw_only=True, gc=False):
    """A consumer as configured; ``ack_wait`` is nanoseconds, ``deliver_subject`` empty for a pull consumer."""

    name: str = ""
    durable_name: str = ""
    deliver_policy: str = ""
    deliver_subject: str = ""
    deliver_group: str = ""
    ack_policy: str = ""
    ack_wait: int = 0
    max_deliver: int = -1
    max_waiting: int = 0
    max_ack_pending: int = 0
    filter_subject: str = ""
    filter_subjects: tuple[str, ...] = ()
    num_replicas: int = 0
    metadata: dict[str, str] = {}


class ConsumerDetail(Part, frozen=True, kw_only=True, gc=False):
    """One consumer (``consumers=1``).

    Args:
        num_pending: messages that it has not been given yet.
        num_ack_pending: given, not acknowledged.
        num_redelivered: given more than once, not acknowledged.
        num_waiting: pull requests that wait.
        push_bound: whether somebody subscribes where a push consumer delivers; missing is no.
        ts: when this was so, by the clock of the server.
    """

    stream_name: str = ""
    name: str = ""
    created: datetime | None = None
    config: ConsumerConfig | None = None
    delivered: Sequence = Sequence()
    ack_floor: Sequence = Sequence()
    num_pending: int = 0
    num_ack_pending: int = 0
    num_redelivered: int = 0
    num_waiting: int = 0
    push_bound: bool = False
    paused: bool = False
    cluster: RaftGroup | None = None
    ts: datetime | None = None


class SourceState(Part, frozen=True, kw_only=True, gc=False):
    """A source or mirror: ``lag`` in messages, ``active`` in nanoseconds since it was heard (-1: never)."""

    name: str = ""
    lag: int = 0
    active: int = 0


class StreamDetail(Part, frozen=True, kw_only=True, gc=False):
    """One stream (``streams=1``); ``config`` by request (``config=1``)."""

    name: str = ""
    created: datetime | None = None
    cluster: RaftGroup | None = None
    config: StreamConfig | None = None
    state: StreamState = StreamState()
    mirror: SourceState | None = None
    sources: tuple[SourceState, ...] = ()
    consumers: tuple[ConsumerDetail, ...] = field(default=(), name="consumer_detail")


class AccountDetail(JetStreamStats, frozen=True, kw_only=True, gc=False):
    """One account (``accounts=1``); without limits of its own ``reserved_*`` are beyond all bounds, see `limited`."""

    name: str = ""
    id: str = ""
    streams: tuple[StreamDetail, ...] = field(default=(), name="stream_detail")


class Jsz(JetStreamStats, frozen=True, kw_only=True, gc=False):
    """JetStream of a server.

    Source: ``JSInfo`` in server/monitor.go of nats-server.

    Args:
        disabled: whether it is off.
        streams: how many streams there are.
        consumers: how many consumers there are.
        messages: in all streams.
        bytes: in all streams.
        meta_cluster: the meta group; missing when the server stands alone.
        account_details: by request.
        total: accounts there are.
    """

    server_id: str = ""
    now: datetime | None = None
    disabled: bool = False
    config: JetStreamConfig = JetStreamConfig()
    streams: int = 0
    consumers: int = 0
    messages: int = 0
    bytes: int = 0
    meta_cluster: MetaCluster | None = None
    account_details: tuple[AccountDetail, ...] = ()
    total: int = 0
