"""A picture of one nats-server, out of its replies: live and from saved ones the same."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from diagmesh.adapters.natsmon.crowd import accounts_of, gateways_of, leafs_of, meta_of, routes_of
from diagmesh.adapters.natsmon.jsz import JetStreamStats, Jsz
from diagmesh.adapters.natsmon.replies import Health, Replies
from diagmesh.adapters.natsmon.signs import signs_of_closed, signs_of_lines
from diagmesh.adapters.natsmon.varz import Varz
from diagmesh.contract.answers.server import Server, Sign, Source
from diagmesh.contract.answers.server_parts import (
    Certificate,
    CpuLook,
    HealthCheck,
    JetStreamUse,
    Load,
    Pending,
    Rates,
    ServerLimits,
)
from diagmesh.monitoring import Seen

__all__ = ["CPU_HIGH", "LONGEST_S", "picture", "seen_of"]

CPU_HIGH: Final = 0.9
LONGEST_S: Final = 600.0
"""Rates are told over at most so long."""
_SHORTEST_S: Final = 0.2
_RATES_WANTED_S: Final = 10.0
_MOST_LOOKS: Final = 32
_MOST_PENDING: Final = 8
_MOST_SUBJECTS: Final = 4
_MOST_ERROR: Final = 300
_COUNTERS: Final = (
    "in_msgs",
    "out_msgs",
    "in_bytes",
    "out_bytes",
    "total_connections",
    "connections",
    "slow_consumers",
    "stalled_clients",
    "mem",
)


def seen_of(varz: Varz, at: float) -> Seen:
    """What is kept of a look.

    Args:
        varz: of it.
        at: monotonic seconds.
    """
    counters = {name: float(getattr(varz, name) or 0) for name in _COUNTERS}
    counters["cpu_share"] = _cpu_share(varz) or 0.0
    return Seen(at, varz.server_id, counters)


def picture(replies: Replies, now: Seen, past: Sequence[Seen] = (), *, window_s: float = 300.0) -> Server:
    """The server, as the replies show it.

    Args:
        replies: of one moment.
        now: what is kept of this look.
        past: of earlier ones, the oldest first; those of an earlier run of the server are passed over.
        window_s: how far back ended connections count as of late.
    """
    varz = replies.varz
    past = [one for one in past if one.server == now.server and 0 < now.at - one.at <= LONGEST_S]
    at = varz.now or datetime.now(UTC)
    return Server(
        name=varz.server_name or varz.server_id,
        id=varz.server_id,
        version=varz.version,
        cluster=varz.cluster.name,
        domain=varz.jetstream.config.domain if varz.jetstream.config is not None else "",
        start=varz.start,
        at=at,
        authentication=varz.auth_required,
        health=tuple(_check(name, one) for name, one in replies.health.items()),
        load=_load(varz, now, past),
        limits=_limits(varz),
        rates=_rates(now, past),
        pending=tuple(_pending(replies)),
        signs=_signs(replies, window_s),
        window_s=window_s,
        log_read=replies.log is not None,
        clients_read=replies.client_errors is not None,
        routes=routes_of(replies.routez),
        gateways=gateways_of(replies.gatewayz),
        gateways_configured=tuple(sorted(one.name for one in varz.gateway.gateways)),
        leafs=leafs_of(replies.leafz),
        meta=meta_of(replies.jsz, replies.meta, varz.server_name),
        jetstream=_jetstream(varz, replies.jsz),
        accounts=accounts_of(replies),
        certificates=_certificates(varz, at),
        blind=replies.blind,
    )


def _check(name: str, one: Health) -> HealthCheck:
    code = one.body.status_code or one.status
    said = "; ".join(filter(None, (one.body.error, *(error.error for error in one.body.errors))))
    told = one.body.status == "ok" if one.body.status else None
    ok = told if code is None else code == 200 and told is not False
    return HealthCheck(name=name, ok=ok, status_code=code, error=said[:_MOST_ERROR])


def _cpu_share(varz: Varz) -> float | None:
    """Of the cores that its Go scheduler uses; the server tells percent of one core."""
    cores = _cores(varz)
    return varz.cpu / 100 / cores if cores else None


def _cores(varz: Varz) -> int:
    return min(one for one in (varz.gomaxprocs or varz.cores, varz.cores or varz.gomaxprocs))


def _load(varz: Varz, now: Seen, past: Sequence[Seen]) -> Load:
    """With how long the CPU was high, over all looks without a gap."""
    high_s = 0.0
    if now.counters["cpu_share"] >= CPU_HIGH:
        for one in reversed(past):
            if one.counters["cpu_share"] < CPU_HIGH:
                break
            high_s = now.at - one.at
    return Load(
        cpu_share=_cpu_share(varz),
        cpu_high_s=round(high_s, 3),
        cpu_before=tuple(
            CpuLook(ago_s=round(now.at - one.at, 3), share=round(one.counters["cpu_share"], 4))
            for one in past[: -_MOST_LOOKS - 1 : -1]
        ),
        cores=_cores(varz),
        memory_bytes=varz.mem,
        connections=varz.connections,
        total_connections=varz.total_connections,
        subscriptions=varz.subscriptions,
        in_msgs=varz.in_msgs,
        out_msgs=varz.out_msgs,
        in_bytes=varz.in_bytes,
        out_bytes=varz.out_bytes,
        slow_consumers=varz.slow_consumers,
        stalled_clients=varz.stalled_clients,
        stale_connections=varz.stale_connections,
    )


def _limits(varz: Varz) -> ServerLimits:
    most = varz.max_connections if varz.max_connections > 0 else None
    return ServerLimits(
        max_connections=most,
        connections_share=varz.connections / most if most else None,
        max_subscriptions=varz.max_subscriptions if varz.max_subscriptions > 0 else None,
        max_payload_bytes=varz.max_payload or None,
        max_pending_bytes=varz.max_pending or None,
    )


def _rates(now: Seen, past: Sequence[Seen]) -> Rates | None:
    """Against the youngest look that is old enough, else the oldest there is."""
    usable = [one for one in past if now.at - one.at >= _SHORTEST_S]
    if not usable:
        return None
    before = next((one for one in reversed(usable) if now.at - one.at >= _RATES_WANTED_S), usable[0])
    over_s = now.at - before.at
    grown = {name: value - before.counters.get(name, value) for name, value in now.counters.items()}
    return Rates(
        over_s=round(over_s, 3),
        in_msgs_per_s=max(0.0, grown["in_msgs"] / over_s),
        out_msgs_per_s=max(0.0, grown["out_msgs"] / over_s),
        in_bytes_per_s=max(0.0, grown["in_bytes"] / over_s),
        out_bytes_per_s=max(0.0, grown["out_bytes"] / over_s),
        connects_per_s=max(0.0, grown["total_connections"] / over_s),
        connections_growth=int(grown["connections"]),
        slow_consumers=max(0, int(grown["slow_consumers"])),
        stalls=max(0, int(grown["stalled_clients"])),
        memory_growth_bytes=int(grown["mem"]),
    )


def _pending(replies: Replies) -> Iterator[Pending]:
    """Clients for which bytes wait, the most first."""
    if replies.connz is None:
        return
    waiting = sorted(replies.connz.connections, key=lambda one: -one.pending_bytes)
    for one in waiting[:_MOST_PENDING]:
        if one.pending_bytes > 0:
            yield Pending(
                name=one.name or f"{one.ip}:{one.port}",
                cid=one.cid,
                account=one.account,
                pending_bytes=one.pending_bytes,
                share=one.pending_bytes / replies.varz.max_pending if replies.varz.max_pending else None,
                subjects=_subjects(one.subs or tuple(each.subject for each in one.subs_detail)),
            )


def _subjects(of: Iterable[str]) -> tuple[str, ...]:
    """Some, the inboxes last: what it listens to says more than where it waits for replies."""
    return tuple(sorted(of, key=lambda one: (one.startswith("_"), one))[:_MOST_SUBJECTS])


def _signs(replies: Replies, window_s: float) -> tuple[Sign, ...]:
    closed = signs_of_closed(replies.closed, window_s) if replies.closed is not None else ()
    return (
        *closed,
        *signs_of_lines(replies.log or (), Source.LOG),
        *signs_of_lines(replies.client_errors or (), Source.CLIENT),
    )


def _jetstream(varz: Varz, jsz: Jsz | None) -> JetStreamUse | None:
    config = varz.jetstream.config
    stats: JetStreamStats | None = varz.jetstream.stats
    if jsz is not None and not jsz.disabled and jsz.config.store_dir:
        config, stats = jsz.config, jsz
    if config is None or stats is None:
        return None
    memory, storage = config.max_memory, config.max_storage
    return JetStreamUse(
        memory_bytes=stats.memory,
        max_memory_bytes=max(0, memory),
        memory_share=_share(stats.memory, memory),
        storage_bytes=stats.storage,
        max_storage_bytes=max(0, storage),
        storage_share=_share(stats.storage, storage),
        reserved_memory_bytes=stats.reserved_memory,
        reserved_memory_share=_share(stats.reserved_memory, memory),
        reserved_storage_bytes=stats.reserved_storage,
        reserved_storage_share=_share(stats.reserved_storage, storage),
        streams=jsz.streams if jsz is not None else None,
        consumers=jsz.consumers if jsz is not None else None,
        ha_assets=stats.ha_assets,
        api_requests=stats.api.total,
        api_errors=stats.api.errors,
    )


def _share(used: int, limit: int) -> float | None:
    return used / limit if limit > 0 else None


def _certificates(varz: Varz, at: datetime) -> tuple[Certificate, ...]:
    doors = {
        "client": varz.tls_cert_not_after,
        "cluster": varz.cluster.tls_cert_not_after,
        "gateway": varz.gateway.tls_cert_not_after,
        "leaf": varz.leaf.tls_cert_not_after,
        "mqtt": varz.mqtt.tls_cert_not_after,
        "websocket": varz.websocket.tls_cert_not_after,
    }
    found = [
        Certificate(door=door, not_after=end, left_s=(end - at).total_seconds())
        for door, end in doors.items()
        if end is not None and end.year > 1  # Go's zero time is no time
    ]
    return tuple(sorted(found, key=lambda one: one.left_s))
