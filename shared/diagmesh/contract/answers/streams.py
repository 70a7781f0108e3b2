"""`streams`: the streams and consumers that the service uses, how far behind these are, and what holds them up.

Units stand in the names. Ages are by the clock of the server that told them. A field that is missing could not be seen,
or does not apply; `Streams.blind` says what could not be seen. Rates come from two looks, `Streams.over_s` apart.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from diagmesh.contract.answers.resources import Trend
from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = [
    "AdvisorySeen",
    "Cause",
    "ConsumerState",
    "NoQuorum",
    "PoisonMessage",
    "Replica",
    "SourceState",
    "StreamState",
    "Streams",
    "StreamsQuestion",
    "Threshold",
    "Totals",
]

Name = Annotated[str, Meta(pattern=r"^[^\s.*>/\\]{1,255}(/[^\s.*>/\\]{1,255})?$")]


class StreamsQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What to tell of the streams.

    Args:
        streams: only these: ``ORDERS``, or one consumer ``ORDERS/worker``; default: those of the settings of the
            sidecar, else all of the account.
        most: so many consumers and streams are told, those that need a look first; all are counted.
        head: also the beginning of poison messages, redacted (the observer must be allowed to read messages).
    """

    streams: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()
    most: Annotated[int, Meta(ge=1, le=1000)] = 50
    head: bool = False


class Cause(StrEnum):
    """What holds a consumer up."""

    NONE = "keeps up"
    PAUSED = "paused"
    SLOW = "slow"
    LATE = "acknowledged late"
    POISON = "poison message"
    LOOP = "redelivery loop"
    UNHEARD = "no subscriber"
    NOBODY = "nobody pulls"
    STALLED = "stalled"
    LEADERLESS = "no leader"


_BEST_FIRST = tuple(str(one) for one in Cause)


class Replica(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One further copy.

    Args:
        lag: operations behind the leader.
        active_s: how long ago the leader heard it.
    """

    name: str
    current: bool = False
    offline: bool = False
    lag: int = 0
    active_s: float | None = None


class SourceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A stream that is copied into this one.

    Args:
        mirror: whether it is mirrored as a whole.
        lag: messages behind it.
        active_s: how long ago it was heard; missing when never.
        error: why it cannot be copied.
    """

    name: str
    mirror: bool = False
    lag: int = 0
    active_s: float | None = None
    error: str = ""


class Threshold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A threshold that a stream or consumer carries itself (``io.nats.monitor.*``) and breaks.

    Args:
        key: of its metadata, without the prefix.
        value: what was seen.
        limit: what it sets.
        unit: ``s`` or ``count``.
        warns: whether it is one that only warns.
    """

    key: str
    value: float
    limit: float
    unit: str = "count"
    warns: bool = False


class Repeated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A message that has the id of an earlier one.

    Args:
        seq: of it.
        first_seq: of the one before.
        apart_s: how much later it was stored.
        age_s: how long ago that was.
    """

    seq: int
    first_seq: int
    apart_s: float
    age_s: float


class MessageIds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the ``Nats-Msg-Id`` of messages of a stream told, since the first look at it.

    Args:
        read: messages whose id was looked for.
        without: of these, those that have none: such ones are never taken for duplicates.
        repeated: messages still there that have the id of an earlier one.
        last: the last few of these, the latest first.
    """

    read: int = 0
    without: int = 0
    repeated: int = 0
    last: tuple[Repeated, ...] = ()


class StreamState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One stream.

    Args:
        max_messages: missing when unlimited, as the other limits.
        full_share: of the limit that is nearest.
        full_of: which limit that is.
        full_in_s: when it is full, at the rate of now.
        discard: what a full stream does: ``old`` messages go, or ``new`` ones are refused.
        retention: ``limits``, ``interest`` or ``workqueue``.
        first_age_s: how old the oldest message is.
        last_age_s: how old the newest one is.
        duplicate_window_s: for so long a message id is known.
        replicas_wanted: as it is configured.
        leader: missing on a server without a cluster; empty while there is none.
        keeps_last: it keeps so many messages per subject only, older ones are replaced by design.
        created: when it was made: tells it from another of this name in another account.
        in_per_s: messages that came.
        gone_per_s: messages that were dropped or deleted from its beginning.
        ids: what their ids told; missing where the settings do not ask for it.
        exceeded: own thresholds that it breaks.
        unreadable: why an own threshold of it cannot be understood.
    """

    name: str
    subjects: tuple[str, ...] = ()
    messages: int = 0
    bytes: int = 0
    max_messages: int | None = None
    max_bytes: int | None = None
    max_age_s: float | None = None
    max_consumers: int | None = None
    full_share: float | None = None
    full_of: str = ""
    full_in_s: float | None = None
    discard: str = "old"
    retention: str = "limits"
    storage: str = ""
    first_seq: int = 0
    last_seq: int = 0
    first_age_s: float | None = None
    last_age_s: float | None = None
    distinct_subjects: int = 0
    consumers: int = 0
    duplicate_window_s: float | None = None
    replicas_wanted: int = 1
    leader: str | None = None
    replicas: tuple[Replica, ...] = ()
    sources: tuple[SourceState, ...] = ()
    keeps_last: bool = False
    created: datetime | None = None
    ids: MessageIds | None = None
    in_per_s: float | None = None
    gone_per_s: float | None = None
    exceeded: tuple[Threshold, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """What no other stream has."""
        return f"{self.name} {self.created}"


class PoisonMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A message that its consumer could not handle.

    Args:
        seq: in the stream.
        deliveries: how often it was delivered; missing when it is only inferred.
        age_s: how long ago it was given up; missing when it is still tried.
        given_up: whether it came as often as allowed (told by the server), else it is inferred from where the
            acknowledgements stand still.
        subject: its subject, with the head.
        head: the beginning of it, redacted.
    """

    seq: int
    deliveries: int | None = None
    age_s: float | None = None
    given_up: bool = False
    subject: str = ""
    head: str = ""


class ConsumerState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One consumer.

    Args:
        push: whether messages are pushed to a subject; else they are pulled.
        durable: whether it stays when nobody uses it; the server removes any other one by itself after a while.
        push_bound: whether somebody subscribes to it.
        push_to: the subject that messages are pushed to.
        used: whether the service subscribes to that subject; missing where its subscriptions could not be seen, and
            for pulled ones: no server tells who pulls.
        filtered: whether it takes only some subjects of the stream.
        whole: whether it takes every message of these, not only the last of each subject.
        ack: whether each message is acknowledged (``explicit``), all up to one (``all``), or none (``none``).
        pending: messages that wait and were never delivered.
        ack_pending: delivered, not acknowledged.
        max_ack_pending: so many at most; missing when unlimited.
        redelivered: of those not acknowledged, how many were delivered more than once.
        waiting: pulls that wait for messages.
        max_deliver: how often a message is delivered; missing when unlimited.
        ack_wait_s: when a message that is not acknowledged comes again.
        delivered_seq: the last message of the stream that was delivered.
        deliveries: all of them, with redeliveries.
        delivered_age_s: how long ago the last delivery was; missing before the first one.
        acked_seq: up to here every message was acknowledged.
        acked_deliveries: likewise, counted in deliveries.
        acked_age_s: how long ago the last acknowledgement was; missing before the first one.
        created: when it was made: tells it from another of this name in another account.
        created_age_s: how long ago that was.
        still_s: for how long nothing has moved: no delivery and no acknowledgement, since its making at most.
        paused_s: for how much longer it is paused.
        delivered_per_s: first deliveries.
        redelivered_per_s: deliveries beyond the first.
        acked_per_s: by how much ``acked_seq`` moved.
        pending_per_s: by how much ``pending`` grew; below zero when it shrinks.
        drain_s: until nothing waits, at the rate of now; missing when it does not shrink.
        lost: messages that the stream dropped before they were delivered.
        lost_in_s: when the stream will drop what was not delivered yet, at the rates of now.
        cause: what holds it up.
        trend: of ``pending`` over the last looks.
        poison: messages that it could not handle.
        leader: as of a stream.
        exceeded: own thresholds that it breaks.
        unreadable: why an own threshold of it cannot be understood.
    """

    stream: str
    name: str
    push: bool = False
    durable: bool = True
    push_bound: bool = False
    push_to: str = ""
    used: bool | None = None
    filtered: bool = False
    whole: bool = True
    ack: str = "explicit"
    pending: int = 0
    ack_pending: int = 0
    max_ack_pending: int | None = None
    redelivered: int = 0
    waiting: int = 0
    max_deliver: int | None = None
    ack_wait_s: float | None = None
    delivered_seq: int = 0
    deliveries: int = 0
    delivered_age_s: float | None = None
    acked_seq: int = 0
    acked_deliveries: int = 0
    acked_age_s: float | None = None
    created: datetime | None = None
    created_age_s: float | None = None
    still_s: float | None = None
    paused_s: float | None = None
    delivered_per_s: float | None = None
    redelivered_per_s: float | None = None
    acked_per_s: float | None = None
    pending_per_s: float | None = None
    drain_s: float | None = None
    lost: int = 0
    lost_in_s: float | None = None
    cause: Cause = Cause.NONE
    trend: Trend | None = None
    poison: tuple[PoisonMessage, ...] = ()
    leader: str | None = None
    replicas: tuple[Replica, ...] = ()
    exceeded: tuple[Threshold, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """STREAM/CONSUMER."""
        return f"{self.stream}/{self.name}"

    @property
    def identity(self) -> str:
        """What no other consumer has."""
        return f"{self.full_name} {self.created}"


class AdvisorySeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the server said by itself, the latest of its kind about one consumer or stream.

    Args:
        what: ``max_deliver``, ``stream_quorum_lost`` …
        count: how many of these were kept.
        seq: of the message, where it is about one.
    """

    what: str
    stream: str
    consumer: str = ""
    at: datetime | None = None
    age_s: float | None = None
    count: int = 1
    seq: int | None = None
    deliveries: int | None = None


class NoQuorum(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """JetStream could not say: there is nobody to decide.

    Args:
        reason: in words of the server.
        error_code: of the JetStream API.
        streams: whose leader is missing; empty when it is JetStream as a whole.
    """

    reason: str
    error_code: int = 0
    streams: tuple[str, ...] = ()


class Totals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """All that were looked at, whether they are told one by one or not."""

    streams: Annotated[int, Measure("count")] = 0
    consumers: Annotated[int, Measure("count")] = 0
    pending: Annotated[int, Measure("count")] = 0
    ack_pending: Annotated[int, Measure("count")] = 0
    redelivered: Annotated[int, Measure("count")] = 0
    in_per_s: Annotated[float | None, Measure("/s")] = None
    delivered_per_s: Annotated[float | None, Measure("/s")] = None


class Streams(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The streams and consumers that the service uses.

    Args:
        named: whether they were named (in the settings or the question); else they are all of the account, of which a
            rule leaves those to others that others name or subscribe to.
        worst: the worst cause among all consumers.
        totals: of all of them.
        streams: those that need a look first.
        consumers: likewise.
        left_out: streams and consumers that are counted in ``totals``, but not told one by one.
        not_looked_at: those beyond what one look takes: nothing is known of them.
        missing: named, and not there.
        unheard_subjects: subjects that the service publishes to (settings) and that no stream takes.
        over_s: between the two looks that the rates come from; missing without rates.
        advisories: heard since ``listening_s``.
        listening_s: for how long advisories have been listened to; missing when they are not.
        no_quorum: why JetStream could not say.
    """

    may_lack = True

    named: bool = False
    worst: Annotated[Cause, Ranked(_BEST_FIRST, well=_BEST_FIRST)] = Cause.NONE
    totals: Totals = Totals()
    streams: tuple[StreamState, ...] = ()
    consumers: tuple[ConsumerState, ...] = ()
    left_out: int = 0
    not_looked_at: int = 0
    missing: tuple[str, ...] = ()
    unheard_subjects: tuple[str, ...] = ()
    over_s: float | None = None
    advisories: tuple[AdvisorySeen, ...] = ()
    listening_s: float | None = None
    no_quorum: NoQuorum | None = None
    blind: tuple[Blind, ...] = ()
