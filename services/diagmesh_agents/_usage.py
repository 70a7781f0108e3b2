"""Puts the `resources` answer together from looks: no reading, no waiting, no clock."""

from msgspec.structs import replace

from diagmesh.adapters.network import network_of
from diagmesh.adapters.rates import cpu_between
from diagmesh.adapters.trend import time_to_limit
from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import Descriptors, Memory, ProcessPart, Resources, Threads, Trend
from diagmesh.target import Aged, Depth, Look, Sample, Trends

__all__ = ["cheap", "memory_left", "until", "with_depth", "with_trends"]


def cheap(look: Look, earlier: Sample | None) -> Resources:
    """What one cheap look tells, with the rates since an earlier sample."""
    return Resources(
        process=ProcessPart(
            pid=look.pid,
            state=look.state,
            started_at=look.started_at,
            uptime_s=look.uptime_s,
            oom_score=look.oom_score,
        ),
        cpu=cpu_between(earlier, look),
        memory=Memory(rss_bytes=look.rss_bytes, cgroup=look.cgroup_memory),
        descriptors=_descriptors(look),
        threads=Threads(count=look.threads, soft_limit=look.task_soft_limit, cgroup=look.cgroup_pids),
        io=look.io,
        pressure=look.pressure,
        host=look.host,
        cgroup=look.cgroup,
        blind=look.blind,
    )


def with_trends(answer: Resources, trends: Trends, look: Look) -> Resources:
    """Add the slopes, each with the time until its limit."""
    held, soft = look.descriptors, look.fd_soft_limit
    fd_left = None if held is None or soft is None else soft - held
    return replace(
        answer,
        memory=replace(answer.memory, trend=until(trends.rss, *memory_left(look))),
        descriptors=replace(answer.descriptors, trend=until(trends.descriptors, fd_left, "soft limit of descriptors")),
        threads=replace(
            answer.threads,
            usual=None if trends.threads_usual is None else int(trends.threads_usual),
            trend=until(trends.threads, *_threads_left(look)),
        ),
    )


def with_depth(answer: Resources, seen: Aged[Depth], *, full: bool) -> Resources:
    """Add the expensive look; listeners and single interfaces only when ``full``."""
    depth, sockets = seen.value, seen.value.sockets
    return replace(
        answer,
        process=replace(answer.process, children=depth.children, context_switches=depth.context_switches),
        memory=replace(
            answer.memory,
            pss_bytes=depth.pss_bytes,
            uss_bytes=depth.uss_bytes,
            swap_bytes=depth.swap_bytes,
            peak_rss_bytes=depth.peak_rss_bytes,
        ),
        sockets=sockets if full or sockets is None else replace(sockets, listeners=()),
        network=None if depth.interfaces is None else network_of(depth.interfaces, each=full),
        expensive_age_s=round(seen.age_s, 3),
        blind=answer.blind + depth.blind,
    )


def _descriptors(look: Look) -> Descriptors:
    held, soft = look.descriptors, look.fd_soft_limit
    bound = Bound.UNKNOWN
    if look.fd_bounded is not None:
        bound = Bound.LIMITED if look.fd_bounded else Bound.UNLIMITED
    return Descriptors(
        held=held,
        bound=bound,
        soft_limit=soft,
        hard_limit=look.fd_hard_limit,
        share_of_limit=round(held / soft, 4) if held is not None and soft else None,
    )


def until(trend: Trend | None, left: float | None, limit: str) -> Trend | None:
    """The trend as it is told: with the time until the limit, and no more digits than it is worth."""
    if trend is None:
        return None
    until = time_to_limit(trend, left, limit)
    return Trend(
        slope=_digits(trend.slope),
        slope_low=_digits(trend.slope_low),
        slope_high=_digits(trend.slope_high),
        over_s=round(trend.over_s, 3),
        samples=trend.samples,
        late_slope=None if trend.late_slope is None else _digits(trend.late_slope),
        to_limit=until
        and replace(
            until,
            earliest_s=round(until.earliest_s, 1),
            likely_s=round(until.likely_s, 1),
            latest_s=round(until.latest_s, 1),
        ),
    )


def _digits(value: float) -> float:
    return float(f"{value:.5g}")


def _threads_left(look: Look) -> tuple[int | None, str]:
    """How many more it can have: up to the limit of the cgroup, or that of its user, if they are all its own."""
    tasks, soft = look.cgroup_pids, look.task_soft_limit
    group = None if tasks is None or tasks.limit is None or tasks.current is None else tasks.limit - tasks.current
    user = None if soft is None else soft - look.threads
    if group is not None and (user is None or group <= user):
        return group, "task limit of the cgroup"
    return user, "task limit of its user"


def memory_left(look: Look) -> tuple[int | None, str]:
    """What can still be used: up to the limit of the cgroup, or until the host has none left."""
    group = look.cgroup_memory.headroom_bytes if look.cgroup_memory else None
    machine = look.host.memory_available_bytes if look.host else None
    if group is not None and (machine is None or group <= machine):
        return group, "memory limit of the cgroup"
    return machine, "memory of the host"
