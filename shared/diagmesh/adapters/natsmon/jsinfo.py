"""Streams and consumers as the JetStream API tells them (``STREAM.LIST``, ``CONSUMER.INFO`` …), server 2.10 to 2.15.

Partial on purpose: only what is judged. Every field has a default, what an older server does not send is missing, what
a newer one adds is passed over. Durations are nanoseconds, as on the wire.
"""

from datetime import datetime
from typing import TypeVar

import msgspec

from diagmesh.adapters.natsmon.door import BadReply, plain
from diagmesh.errors import Unreadable

__all__ = [
    "Advisory",
    "ApiError",
    "ConsumerInfo",
    "ConsumerPage",
    "ConsumerReply",
    "Peer",
    "Source",
    "StoredMessage",
    "StreamInfo",
    "StreamNames",
    "StreamPage",
    "StreamReply",
    "reply_of",
]

R = TypeVar("R", bound=msgspec.Struct)


class ApiError(msgspec.Struct, frozen=True, gc=False):
    """Why the API refused; ``err_code`` tells the case (10008: no quorum, 10059: no such stream …)."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Peer(msgspec.Struct, frozen=True, gc=False):
    """A replica; ``active`` is how long ago it was heard, ``lag`` how many operations it is behind."""

    name: str = ""
    current: bool = False
    offline: bool = False
    active: int = 0
    lag: int = 0


class Cluster(msgspec.Struct, frozen=True, gc=False):
    """Who keeps it; no leader means no quorum."""

    name: str = ""
    leader: str = ""
    replicas: tuple[Peer, ...] | None = None


class Source(msgspec.Struct, frozen=True, gc=False):
    """A stream that this one copies; ``active`` is how long ago it was heard, -1 for never."""

    name: str = ""
    lag: int = 0
    active: int = -1
    error: ApiError | None = None


class StreamConfig(msgspec.Struct, frozen=True, gc=False):
    """The settings of a stream; -1 (0 for the age) is unlimited."""

    name: str = ""
    subjects: tuple[str, ...] | None = None
    retention: str = "limits"
    discard: str = "old"
    storage: str = ""
    max_consumers: int = -1
    max_msgs: int = -1
    max_bytes: int = -1
    max_age: int = 0
    max_msgs_per_subject: int = -1
    num_replicas: int = 1
    duplicate_window: int = 0
    metadata: dict[str, str] | None = None


class StreamState(msgspec.Struct, frozen=True, gc=False):
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


class StreamInfo(msgspec.Struct, frozen=True, gc=False):
    """One stream."""

    config: StreamConfig = StreamConfig()
    state: StreamState = StreamState()
    created: datetime | None = None
    ts: datetime | None = None
    cluster: Cluster | None = None
    mirror: Source | None = None
    sources: tuple[Source, ...] | None = None


class ConsumerConfig(msgspec.Struct, frozen=True, gc=False):
    """The settings of a consumer; one with a ``deliver_subject`` is pushed."""

    durable_name: str = ""
    deliver_subject: str = ""
    deliver_policy: str = "all"
    ack_policy: str = "none"
    ack_wait: int = 0
    max_deliver: int = -1
    max_ack_pending: int = 0
    max_waiting: int = 0
    backoff: tuple[int, ...] | None = None
    filter_subject: str = ""
    filter_subjects: tuple[str, ...] | None = None
    pause_until: datetime | None = None
    metadata: dict[str, str] | None = None


class Reached(msgspec.Struct, frozen=True, gc=False):
    """How far deliveries or acknowledgements came."""

    consumer_seq: int = 0
    stream_seq: int = 0
    last_active: datetime | None = None


class ConsumerInfo(msgspec.Struct, frozen=True, gc=False):
    """One consumer."""

    stream_name: str = ""
    name: str = ""
    config: ConsumerConfig = ConsumerConfig()
    created: datetime | None = None
    ts: datetime | None = None
    delivered: Reached = Reached()
    ack_floor: Reached = Reached()
    num_ack_pending: int = 0
    num_redelivered: int = 0
    num_waiting: int = 0
    num_pending: int = 0
    paused: bool = False
    push_bound: bool = False
    cluster: Cluster | None = None


class StreamReply(StreamInfo, frozen=True, gc=False):
    """Of ``STREAM.INFO``."""

    error: ApiError | None = None


class ConsumerReply(ConsumerInfo, frozen=True, gc=False):
    """Of ``CONSUMER.INFO``."""

    error: ApiError | None = None


class StreamPage(msgspec.Struct, frozen=True, gc=False):
    """Of ``STREAM.LIST``; ``missing`` are those that nobody could tell of."""

    total: int = 0
    streams: tuple[StreamInfo, ...] | None = None
    missing: tuple[str, ...] | None = None
    error: ApiError | None = None


class StreamNames(msgspec.Struct, frozen=True, gc=False):
    """Of ``STREAM.NAMES``."""

    total: int = 0
    streams: tuple[str, ...] | None = None
    error: ApiError | None = None


class ConsumerPage(msgspec.Struct, frozen=True, gc=False):
    """Of ``CONSUMER.LIST``; ``missing`` likewise."""

    total: int = 0
    consumers: tuple[ConsumerInfo, ...] | None = None
    missing: tuple[str, ...] | None = None
    error: ApiError | None = None


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A message as it is stored; headers and body are base64."""

    subject: str = ""
    seq: int = 0
    hdrs: str = ""
    data: str = ""
    time: datetime | None = None


class StoredMessage(msgspec.Struct, frozen=True, gc=False):
    """Of ``STREAM.MSG.GET``."""

    message: Stored = Stored()
    error: ApiError | None = None


class Advisory(msgspec.Struct, frozen=True, gc=False):
    """What the server said by itself (``$JS.EVENT.ADVISORY.>``)."""

    type: str = ""
    timestamp: datetime | None = None
    stream: str = ""
    consumer: str = ""
    stream_seq: int = 0
    deliveries: int = 0
    leader: str = ""


def reply_of(data: bytes, kind: type[R], what: str) -> R:
    """A reply of the API.

    Args:
        data: as it came.
        kind: what it must be.
        what: was asked, for the error.

    Raises:
        Unreadable: it is not that.
    """
    try:
        return plain(data, kind)
    except BadReply as error:
        fix = "see whether something else answers there: nats req '$JS.API.INFO' ''"
        raise Unreadable(what, f"what came is no reply of JetStream ({error})", fix) from None
