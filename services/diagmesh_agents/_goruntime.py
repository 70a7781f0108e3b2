"""Puts the `runtime` answer together from looks: no reading, no waiting, no clock."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec.structs import replace

from diagmesh.adapters.rates import lately_between, long_before
from diagmesh.adapters.trend import trend_of
from diagmesh.contract.answers.resources import CpuLately
from diagmesh.contract.answers.runtime import Collector, Grown, Heap, Limit, Pauses, Rates, Runtime
from diagmesh.contract.wire import Blind
from diagmesh.goruntime import GoLook, GoSample, HeapGrowth
from diagmesh.target import Look, Sample
from diagmesh_agents._gopast import past_of, rate
from diagmesh_agents._goprocs import scheduler_of
from diagmesh_agents._usage import memory_left, until

__all__ = ["Seen", "answer_of", "earlier_of", "with_past"]

_LATELY_S: Final = 20.0
"""As for the CPU of the process: enough to tell a state from a burst, and soon over when the cause is gone."""
_LEAST_S: Final = 0.4
_OFF: Final = -1
_NOTHING: Final = GoSample(at=0.0)
_SOURCES: Final = {
    "version": "version",
    "goroutines": "goroutines",
    "heap": "heap_in_use_bytes",
    "heap.live_bytes": "heap_live_bytes",
    "gc": "gc_cycles",
    "gc.gogc_percent": "gogc_percent",
    "scheduler.gomaxprocs": "gomaxprocs",
    "memory.soft_bytes": "memory_limit_bytes",
    "memory.limited": "memory_limited",
    "profiles": "profiles",
}


class Seen(NamedTuple):
    """All that an answer is made of: the look, the past of the runtime, the process and its past, the growth."""

    look: GoLook
    samples: Sequence[GoSample]
    process: Look | None
    processes: Sequence[Sample]
    growth: HeapGrowth | None = None


def earlier_of(samples: Sequence[GoSample], look: GoLook) -> GoSample | None:
    """The sample to compare with: the oldest of the last 20 s, if it is of any use."""
    for one in samples:
        age_s = look.at - one.at
        if one.pid == look.pid and _LEAST_S <= age_s <= _LATELY_S:
            return one
    return None


def answer_of(seen: Seen, window_s: float, blind: Sequence[Blind]) -> Runtime:
    """What the looks tell, without the past."""
    look, samples, process, processes, _ = seen
    earlier = earlier_of(samples, look)
    lately = lately_between(long_before(processes, process.at), process) if process is not None else None
    scheduler = scheduler_of(look, process, lately)
    sources = {part: look.sources[field] for part, field in _SOURCES.items() if field in look.sources}
    if scheduler.gomaxprocs is not None and look.gomaxprocs is None:
        sources["scheduler.gomaxprocs"] = f"what {look.version} takes by itself"
    return Runtime(
        version=look.version,
        started_at=datetime.fromtimestamp(look.started_at, UTC) if look.started_at else None,
        goroutines=look.goroutines,
        heap=_heap(look, earlier),
        gc=_collector(look, earlier, scheduler.gomaxprocs, lately, window_s),
        scheduler=scheduler,
        memory=_memory(look, process),
        rates=Rates(
            over_s=round(look.at - earlier.at, 3) if earlier is not None else None,
            samples=len(samples),
            watched_s=round(max(0.0, look.at - samples[0].at), 3) if samples else None,
        ),
        profiles=look.profiles,
        sources=sources,
        blind=(*look.blind, *blind),
    )


def with_past(answer: Runtime, seen: Seen, window_s: float) -> Runtime:
    """Add the slopes and the past over a window: a millisecond of computing."""
    samples = [one for one in seen.samples if one.at >= seen.look.at - window_s]
    live = [(one.at, one.heap_live_bytes) for one in samples if one.heap_live_bytes is not None]
    counts = [(one.at, one.goroutines) for one in samples if one.goroutines is not None]
    left, limit = _left(answer.memory)
    return replace(
        answer,
        goroutines_trend=until(trend_of(counts), None, ""),
        heap=replace(
            answer.heap,
            trend=until(trend_of(live), left, limit),
            live_most_bytes=max((value for _, value in live), default=None),
            grown=_grown(seen.growth, seen.look.at),
        ),
        past=past_of(samples, seen.look.at, window_s),
    )


def _heap(look: GoLook, earlier: GoSample | None) -> Heap:
    before = earlier or _NOTHING
    per_s = rate(before.allocated_bytes, look.allocated_bytes, look.at - before.at)
    return Heap(
        live_bytes=look.heap_live_bytes,
        in_use_bytes=look.heap_in_use_bytes,
        idle_bytes=look.heap_idle_bytes,
        released_bytes=look.heap_released_bytes,
        allocated_bytes=look.heap_allocated_bytes,
        objects=look.heap_objects,
        stacks_bytes=look.stacks_bytes,
        runtime_bytes=look.runtime_bytes,
        total_allocated_bytes=look.allocated_bytes,
        allocated_bytes_per_s=None if per_s is None else round(per_s, 1),
    )


def _grown(growth: HeapGrowth | None, now: float) -> Grown | None:
    if growth is None:
        return None
    return Grown(
        age_s=round(max(0.0, now - growth.at), 3),
        over_s=round(growth.over_s, 3),
        grown_bytes=growth.grown_bytes,
        rows=growth.rows,
    )


def _collector(
    look: GoLook, earlier: GoSample | None, gomaxprocs: int | None, lately: CpuLately | None, window_s: float
) -> Collector:
    before = earlier or _NOTHING
    over_s = look.at - before.at
    available = _available(look, earlier)
    cores = available * gomaxprocs if available is not None and gomaxprocs is not None else None
    used = lately.cores_used if lately is not None else None
    paused = rate(before.gc_paused_s, look.gc_paused_s, over_s)
    cycles = rate(before.gc_cycles, look.gc_cycles, over_s)
    return Collector(
        cycles=look.gc_cycles,
        forced=look.gc_forced,
        cycles_per_s=None if cycles is None else round(cycles, 4),
        cpu_share=round(min(1.0, cores / used), 4) if cores is not None and used else None,
        cpu_cores=None if cores is None else round(cores, 4),
        available_share=available,
        available_share_ever=None if look.gc_cpu_share is None else round(look.gc_cpu_share, 6),
        paused_share=None if paused is None else round(min(1.0, paused), 6),
        pauses=_pauses(look, window_s),
        target_bytes=look.gc_target_bytes,
        last_age_s=round(max(0.0, look.unix_s - look.gc_ended_at), 3) if look.gc_ended_at else None,
        gogc_percent=look.gogc_percent if look.gogc_percent != _OFF else None,
        off=None if look.gogc_percent is None else look.gogc_percent == _OFF,
    )


def _available(look: GoLook, earlier: GoSample | None) -> float | None:
    """The collector's share of the CPU that was available, between the last cycles before both looks.

    The runtime tells its share since the start, up to the end of its last cycle; two of them give that in between.
    """
    if earlier is None or None in (look.gc_cpu_share, look.gc_ended_at, look.started_at, earlier.gc_used_s):
        return None
    ended, before = look.gc_ended_at or look.started_at, earlier.gc_ended_at or look.started_at
    assert ended is not None and before is not None and look.started_at is not None  # noqa: S101, PT018  seen above
    if ended <= before:
        return 0.0  # no cycle has ended lately
    used_s = (look.gc_cpu_share or 0.0) * (ended - look.started_at) - (earlier.gc_used_s or 0.0)
    return round(min(1.0, max(0.0, used_s / (ended - before))), 6)


def _pauses(look: GoLook, window_s: float) -> Pauses | None:
    recent = [one for one in look.pauses if one.ended_at >= look.unix_s - window_s]
    if recent:
        ordered = sorted(one.took_s for one in recent)
        return Pauses(
            p50_ms=_ms(ordered[(len(ordered) - 1) // 2]),
            p99_ms=_ms(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]),
            most_ms=_ms(ordered[-1]),
            count=len(ordered),
            over_s=round(max(0.0, look.unix_s - recent[-1].ended_at), 3),
        )
    if look.pause_p50_s is None and look.pause_most_s is None:
        return None
    return Pauses(p50_ms=_ms(look.pause_p50_s), most_ms=_ms(look.pause_most_s))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 4)


def _memory(look: GoLook, process: Look | None) -> Limit:
    soft, used = look.memory_limit_bytes, look.runtime_bytes
    group = process.cgroup_memory if process is not None else None
    left, of = memory_left(process) if process is not None else (None, "")
    return Limit(
        soft_bytes=soft,
        limited=look.memory_limited,
        used_bytes=used,
        share_of_soft=round(used / soft, 4) if soft and used is not None else None,
        hard_bytes=group.limit_bytes if group is not None else None,
        headroom_bytes=left,
        headroom_of=of if left is not None else "",
    )


def _left(memory: Limit) -> tuple[int | None, str]:
    """How much the heap can still grow: up to the limit of the runtime, or that of the process."""
    soft = memory.soft_bytes - memory.used_bytes if memory.soft_bytes and memory.used_bytes is not None else None
    if soft is not None and (memory.headroom_bytes is None or soft <= memory.headroom_bytes):
        return max(0, soft), "GOMEMLIMIT"
    return memory.headroom_bytes, memory.headroom_of
