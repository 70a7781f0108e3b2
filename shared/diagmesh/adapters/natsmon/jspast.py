"""What became of streams and consumers between two looks: rates, time to drain, time until messages are lost."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from diagmesh.contract.answers.streams import ConsumerState, StreamState

__all__ = ["APART_S", "JsPast", "Then", "consumer_rates", "stream_rates"]

APART_S: Final = 0.4
"""Two looks nearer than that tell no rate."""
_PACE_S: Final = 2.0
_KEPT: Final = 16
_WINDOW_S: Final = 20.0
_MOST: Final = 8192
"""Consumers and streams of one look that are remembered: a few MiB over all looks."""
_LEAST: Final = 1e-9


class _Consumer(NamedTuple):
    deliveries: int
    delivered_seq: int
    acked_seq: int
    pending: int
    ack_pending: int


class _Stream(NamedTuple):
    first_seq: int
    last_seq: int
    messages: int
    bytes: int


class Then(NamedTuple):
    """An earlier look, as much of it as rates need."""

    at: float
    consumers: Mapping[tuple[str, str], _Consumer]
    streams: Mapping[str, _Stream]


class JsPast:
    """The last looks, at most one in two seconds; rates are those of the last 20 s."""

    def __init__(self) -> None:
        self._looks: deque[Then] = deque(maxlen=_KEPT + 1)

    def add(self, at: float, streams: Sequence[StreamState], consumers: Sequence[ConsumerState]) -> None:
        """Keep one more look."""
        # The last one is always the newest; the one before it is replaced while it is too near the one before that.
        if len(self._looks) >= 2 and self._looks[-1].at - self._looks[-2].at < _PACE_S:
            self._looks.pop()
        self._looks.append(
            Then(
                at,
                {(one.stream, one.name): _consumer(one) for one in consumers[:_MOST]},
                {one.name: _stream(one) for one in streams[:_MOST]},
            )
        )

    def before(self, at: float) -> Then | None:
        """The earliest look of the last 20 s that is far enough from now; None when there is none."""
        for one in self._looks:
            if APART_S <= at - one.at <= _WINDOW_S:
                return one
        return None

    def pending(self, stream: str, name: str) -> list[tuple[float, float]]:
        """How many messages waited, look by look."""
        return [
            (one.at, float(then.pending))
            for one in self._looks
            if (then := one.consumers.get((stream, name))) is not None
        ]


def _consumer(told: ConsumerState) -> _Consumer:
    return _Consumer(told.deliveries, told.delivered_seq, told.acked_seq, told.pending, told.ack_pending)


def _stream(told: StreamState) -> _Stream:
    return _Stream(told.first_seq, told.last_seq, told.messages, told.bytes)


def stream_rates(told: StreamState, then: Then, at: float) -> StreamState:
    """The stream with its rates; as it is, where it was not there before or was made again."""
    before, over_s = then.streams.get(told.name), at - then.at
    if before is None or told.last_seq < before.last_seq:
        return told
    full_in_s = None
    for held, was, limit in (
        (told.messages, before.messages, told.max_messages),
        (told.bytes, before.bytes, told.max_bytes),
    ):
        grown = (held - was) / over_s
        if limit is not None and grown > _LEAST:
            left_s = max(0.0, limit - held) / grown
            full_in_s = left_s if full_in_s is None else min(full_in_s, left_s)
    return msgspec.structs.replace(
        told,
        in_per_s=(told.last_seq - before.last_seq) / over_s,
        gone_per_s=max(0, told.first_seq - before.first_seq) / over_s,
        full_in_s=full_in_s,
    )


def consumer_rates(told: ConsumerState, stream: StreamState | None, then: Then, at: float) -> ConsumerState:
    """The consumer with its rates, the time until nothing waits, and the time until something is lost."""
    before, over_s = then.consumers.get((told.stream, told.name)), at - then.at
    if before is None or told.deliveries < before.deliveries or told.delivered_seq < before.delivered_seq:
        return told
    deliveries = told.deliveries - before.deliveries
    # Of a filtered consumer the sequence skips what does not fit, so its first deliveries are bounded by both counts.
    first = min(deliveries, told.delivered_seq - before.delivered_seq)
    pending_per_s = (told.pending - before.pending) / over_s
    # Where a stream keeps the last of each subject only, what goes has been replaced or deleted on purpose.
    counts = told.filtered and told.whole and not (stream is not None and stream.keeps_last)
    dropped = before.pending - told.pending - deliveries if counts else 0
    told = msgspec.structs.replace(
        told,
        delivered_per_s=first / over_s,
        redelivered_per_s=(deliveries - first) / over_s,
        acked_per_s=max(0, told.acked_seq - before.acked_seq) / over_s,
        pending_per_s=pending_per_s,
        drain_s=told.pending / -pending_per_s if told.pending and pending_per_s < -_LEAST else None,
        lost=max(told.lost, dropped),
    )
    return msgspec.structs.replace(told, lost_in_s=_lost_in_s(told, stream)) if stream is not None else told


def _lost_in_s(told: ConsumerState, stream: StreamState) -> float | None:
    """When the beginning of the stream overtakes what was delivered; None when it does not, or cannot be told."""
    if told.filtered or stream.gone_per_s is None or told.delivered_per_s is None or not told.pending:
        return None
    gap = told.delivered_seq + 1 - stream.first_seq
    faster = stream.gone_per_s - told.delivered_per_s
    return gap / faster if gap > 0 and faster > _LEAST else None
