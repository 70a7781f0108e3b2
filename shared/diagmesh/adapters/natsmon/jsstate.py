"""Streams and consumers as an answer tells them, from what the JetStream API or a monitoring page said."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from diagmesh.adapters.natsmon.jsinfo import Cluster, ConsumerInfo, StreamInfo
from diagmesh.adapters.natsmon.jsown import of_consumer, of_stream
from diagmesh.contract.answers.streams import ConsumerState, Replica, SourceState, StreamState

__all__ = ["consumer_state", "stream_state"]

_NS: Final = 1e9


def stream_state(info: StreamInfo, now: datetime) -> StreamState:
    """One stream.

    Args:
        info: what was said.
        now: the time, where the server did not tell its own.
    """
    config, state, at = info.config, info.state, info.ts or now
    of, share = max(_full(info), key=lambda one: one[1], default=("", None))
    told = StreamState(
        name=config.name,
        subjects=config.subjects or (),
        messages=state.messages,
        bytes=state.bytes,
        max_messages=_limit(config.max_msgs),
        max_bytes=_limit(config.max_bytes),
        max_age_s=config.max_age / _NS if config.max_age > 0 else None,
        max_consumers=_limit(config.max_consumers),
        full_share=share,
        full_of=of,
        discard=config.discard,
        retention=config.retention,
        storage=config.storage,
        first_seq=state.first_seq,
        last_seq=state.last_seq,
        first_age_s=_age(state.first_ts, at) if state.messages else None,
        last_age_s=_age(state.last_ts, at) if state.last_seq else None,
        distinct_subjects=state.num_subjects,
        consumers=state.consumer_count,
        duplicate_window_s=config.duplicate_window / _NS if config.duplicate_window > 0 else None,
        replicas_wanted=max(1, config.num_replicas),
        leader=_leader(info.cluster),
        replicas=_replicas(info.cluster),
        sources=tuple(_sources(info)),
        keeps_last=config.max_msgs_per_subject > 0,
        created=info.created,
    )
    exceeded, unreadable = of_stream(config.metadata, told)
    return msgspec.structs.replace(told, exceeded=exceeded, unreadable=unreadable)


def consumer_state(info: ConsumerInfo, now: datetime, subjects: Collection[str] = ()) -> ConsumerState:
    """One consumer.

    Args:
        info: what was said.
        now: the time, where the server did not tell its own.
        subjects: of its stream: one that takes each of them is not filtered.
    """
    config, at = info.config, info.ts or now
    wait = config.backoff[0] if config.backoff else config.ack_wait
    acks = config.ack_policy != "none"
    created = _age(info.created, at)
    ages = [
        age for age in (_age(info.delivered.last_active, at), _age(info.ack_floor.last_active, at)) if age is not None
    ]
    told = ConsumerState(
        stream=info.stream_name,
        name=info.name,
        push=bool(config.deliver_subject),
        durable=bool(config.durable_name),
        push_bound=info.push_bound,
        push_to=config.deliver_subject,
        filtered=_filtered(info, subjects),
        whole=config.deliver_policy not in ("last", "last_per_subject"),
        ack=config.ack_policy,
        pending=info.num_pending,
        ack_pending=info.num_ack_pending,
        max_ack_pending=_limit(config.max_ack_pending) if acks else None,
        redelivered=info.num_redelivered,
        waiting=info.num_waiting,
        max_deliver=_limit(config.max_deliver),
        ack_wait_s=wait / _NS if acks and wait else None,
        delivered_seq=info.delivered.stream_seq,
        deliveries=info.delivered.consumer_seq,
        delivered_age_s=_age(info.delivered.last_active, at),
        acked_seq=info.ack_floor.stream_seq,
        acked_deliveries=info.ack_floor.consumer_seq,
        acked_age_s=_age(info.ack_floor.last_active, at),
        created=info.created,
        created_age_s=created,
        still_s=min(ages, default=created),
        paused_s=max(0.0, (_aware(config.pause_until) - _aware(at)).total_seconds())
        if info.paused and config.pause_until
        else None,
        leader=_leader(info.cluster),
        replicas=_replicas(info.cluster),
    )
    exceeded, unreadable = of_consumer(config.metadata, told)
    return msgspec.structs.replace(told, exceeded=exceeded, unreadable=unreadable)


def _filtered(info: ConsumerInfo, subjects: Collection[str]) -> bool:
    single = (info.config.filter_subject,) if info.config.filter_subject else ()
    filters = info.config.filter_subjects or single
    whole = ">" in filters or (bool(subjects) and all(one in filters for one in subjects))
    return bool(filters) and not whole


def _limit(value: int) -> int | None:
    return value if value > 0 else None


def _age(moment: datetime | None, now: datetime) -> float | None:
    """None for never, which some servers write as the year 1."""
    if moment is None or moment.year <= 1:
        return None
    return max(0.0, (_aware(now) - _aware(moment)).total_seconds())


def _aware(moment: datetime) -> datetime:
    """Servers write the time zone; whoever does not means UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _full(info: StreamInfo) -> Iterator[tuple[str, float]]:
    config, state = info.config, info.state
    for of, held, limit in (
        ("messages", state.messages, config.max_msgs),
        ("bytes", state.bytes, config.max_bytes),
        ("consumers", state.consumer_count, config.max_consumers),
    ):
        if limit > 0:
            yield of, held / limit


def _leader(cluster: Cluster | None) -> str | None:
    """None without a cluster; a single server names itself as the leader."""
    return cluster.leader if cluster is not None else None


def _replicas(cluster: Cluster | None) -> tuple[Replica, ...]:
    peers = (cluster.replicas or ()) if cluster is not None else ()
    return tuple(
        Replica(
            name=one.name,
            current=one.current,
            offline=one.offline,
            lag=one.lag,
            active_s=one.active / _NS if one.active >= 0 else None,
        )
        for one in peers
    )


def _sources(info: StreamInfo) -> Iterator[SourceState]:
    for one in (*((info.mirror,) if info.mirror is not None else ()), *(info.sources or ())):
        yield SourceState(
            name=one.name,
            mirror=one is info.mirror,
            lag=one.lag,
            active_s=one.active / _NS if one.active >= 0 else None,
            error=one.error.description if one.error is not None else "",
        )
