"""A whole answer about streams from one look, those before it and what was heard; live and saved ones are the same."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from diagmesh.adapters.natsmon.jsask import Infos
from diagmesh.adapters.natsmon.jscause import Lately, judged
from diagmesh.adapters.natsmon.jspast import Then, consumer_rates, stream_rates
from diagmesh.adapters.natsmon.jsstate import consumer_state, stream_state
from diagmesh.contract.answers.streams import (
    Cause,
    ConsumerState,
    NoQuorum,
    PoisonMessage,
    Streams,
    StreamState,
    Totals,
)

__all__ = ["Seen", "answer_of", "seen_of", "without_deleted"]

_RANK: Final = {cause: rank for rank, cause in enumerate(Cause)}
_FULL: Final = 0.75


class Seen(NamedTuple):
    """All streams and consumers of one look, judged."""

    streams: list[StreamState]
    consumers: list[ConsumerState]
    over_s: float | None


def seen_of(infos: Infos, then: Then | None, given_up: Mapping[tuple[str, str], Sequence[PoisonMessage]]) -> Seen:
    """Every stream and consumer with rates and cause.

    Args:
        infos: what the look found.
        then: an earlier look; None tells no rates.
        given_up: by stream and consumer, the messages that the server gave up.
    """
    at, over_s = infos.at, infos.at - then.at if then is not None else None
    streams = [stream_state(one, infos.now) for one in infos.streams]
    if then is not None:
        streams = [stream_rates(one, then, at) for one in streams]
    by_name = {one.name: one for one in streams}
    consumers = []
    for info in infos.consumers:
        stream = by_name.get(info.stream_name)
        told = consumer_state(info, infos.now, stream.subjects if stream is not None else ())
        lately, key = None, (told.stream, told.name)
        if then is not None:
            told = consumer_rates(told, stream, then, at)
            before = then.consumers.get(key)
            lately = Lately(at - then.at, before.ack_pending) if before is not None else None
        consumers.append(judged(told, stream, given_up.get(key, ()), lately))
    return Seen(streams, consumers, over_s)


def answer_of(infos: Infos, seen: Seen, *, named: bool, most: int) -> Streams:
    """The answer: what needs a look first, the rest counted."""
    streams = sorted(seen.streams, key=_stream_first)
    consumers = sorted(seen.consumers, key=_consumer_first)
    rates = seen.over_s is not None
    totals = Totals(
        streams=len(streams),
        consumers=len(consumers),
        pending=sum(one.pending for one in consumers),
        ack_pending=sum(one.ack_pending for one in consumers),
        redelivered=sum(one.redelivered for one in consumers),
        in_per_s=_sum(one.in_per_s for one in streams) if rates else None,
        delivered_per_s=_sum(one.delivered_per_s for one in consumers) if rates else None,
    )
    return Streams(
        named=named,
        worst=consumers[0].cause if consumers else Cause.NONE,
        totals=totals,
        streams=tuple(streams[:most]),
        consumers=tuple(consumers[:most]),
        left_out=max(0, len(streams) - most) + max(0, len(consumers) - most),
        not_looked_at=infos.not_looked_at,
        missing=tuple(infos.missing),
        unheard_subjects=tuple(infos.unheard),
        over_s=seen.over_s,
        no_quorum=_no_quorum(infos, seen),
        blind=tuple(infos.blind.values()),
    )


def _no_quorum(infos: Infos, seen: Seen) -> NoQuorum | None:
    """As the API said it, else by the streams and consumers that have no leader."""
    if infos.no_quorum is not None and not infos.no_quorum.streams:
        return infos.no_quorum
    alone = itertools.chain(
        (one.name for one in seen.streams if one.leader == ""),
        (one.full_name for one in seen.consumers if one.leader == ""),
    )
    told = infos.no_quorum.streams if infos.no_quorum is not None else ()
    names = tuple(dict.fromkeys((*told, *alone)))
    if not names:
        return None
    reason = infos.no_quorum.reason if infos.no_quorum is not None else "it has no leader"
    code = infos.no_quorum.error_code if infos.no_quorum is not None else 0
    return NoQuorum(reason=reason, error_code=code, streams=names[:64])


def _sum(values: Iterable[float | None]) -> float:
    return sum(value or 0.0 for value in values)


def _stream_first(one: StreamState) -> tuple[bool, bool, float, float, str]:
    full = (one.full_share or 0.0) if one.discard == "new" else 0.0
    behind = max((source.lag for source in one.sources), default=0)
    return one.leader != "", not one.exceeded, -(full if full >= _FULL else 0.0), -float(behind), one.name


def _consumer_first(one: ConsumerState) -> tuple[int, bool, int, int, str]:
    return -_RANK[one.cause], not (one.lost or one.exceeded), -one.pending, -one.ack_pending, one.full_name


def without_deleted(given_up: Sequence[PoisonMessage], deleted: Iterable[int]) -> list[PoisonMessage]:
    """Those that are still in the stream."""
    gone = frozenset(deleted)
    return [one for one in given_up if one.seq not in gone]
