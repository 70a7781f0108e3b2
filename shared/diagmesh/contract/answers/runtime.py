"""`runtime`: what the Go runtime of an instance does: goroutines, heap, collector, threads against the CPU quota.

Units stand in the names. A field that is missing could not be seen, or the service does not tell it; `Runtime.sources`
names for each one that is there where it was seen. Nothing unseen is ever reported as zero.

Sources: ``runtime.MemStats`` (expvar, or the end of ``pprof/heap?debug=1``), the Go and process collectors of
client_golang (``/metrics``), the index of ``net/http/pprof``, the environment and the build information of the process.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.profile import Row
from diagmesh.contract.answers.resources import Trend
from diagmesh.contract.measures import Measure
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = [
    "Collector",
    "Grown",
    "Heap",
    "Known",
    "Limit",
    "Past",
    "Pauses",
    "Rates",
    "Runtime",
    "RuntimeQuestion",
    "Scheduler",
]

Bytes = Annotated[int | None, Measure("bytes")]
Count = Annotated[int | None, Measure("count")]
Share = Annotated[float | None, Measure("share")]


class RuntimeQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What to tell of the runtime.

    ``detail``: ``brief`` leaves out trends and the past.

    Args:
        window_s: how far back the trends and the past look; the ring may hold less.
    """

    window_s: Annotated[float, Meta(ge=1, le=86_400)] = 600.0


class Known(StrEnum):
    """How it is known what GOMAXPROCS is."""

    TOLD = "told"
    ENVIRONMENT = "environment"
    DEFAULT = "default"


class Grown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who allocates what a growing heap keeps: the difference of two heap profiles, which the sidecar takes by itself.

    Args:
        age_s: how long ago the later one was taken.
        over_s: between the two.
        grown_bytes: what is in use more than before, as sampled (one allocation per 512 KiB, usually).
        rows: the innermost functions that are none of Go's runtime, the most first; shares are of ``grown_bytes``.
    """

    age_s: float
    over_s: float
    grown_bytes: int
    rows: tuple[Row, ...] = ()


class Heap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The heap.

    Args:
        live_bytes: what survived the last collection; from its next target and GOGC where the service does not tell it,
            which goes where the target is neither the least (4 MiB) nor lowered by a memory limit.
        live_most_bytes: the most of it over the window.
        in_use_bytes: spans that hold at least one object.
        idle_bytes: spans that hold none.
        released_bytes: of these, what was given back to the system.
        allocated_bytes: objects, with those that are dead but not swept yet.
        objects: how many these are.
        stacks_bytes: of goroutines, beside the heap.
        runtime_bytes: all memory that the runtime took from the system and did not give back.
        total_allocated_bytes: all that was ever allocated.
        allocated_bytes_per_s: the rate of that; see `Rates.over_s`.
        trend: of ``live_bytes``, in bytes per second; its limit is that of `Runtime.memory`.
        grown: by whom; only while it grows, and where pprof is among the pages.
    """

    live_bytes: Bytes = None
    live_most_bytes: int | None = None
    in_use_bytes: Bytes = None
    idle_bytes: int | None = None
    released_bytes: int | None = None
    allocated_bytes: int | None = None
    objects: Count = None
    stacks_bytes: int | None = None
    runtime_bytes: int | None = None
    total_allocated_bytes: int | None = None
    allocated_bytes_per_s: Annotated[float | None, Measure("bytes/s")] = None
    trend: Trend | None = None
    grown: Grown | None = None


class Pauses(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """For how long the collector stopped all goroutines, per collection.

    Args:
        p50_ms: median of the pauses looked at.
        p99_ms: with fewer than a hundred of them, the longest.
        most_ms: the longest.
        count: how many were looked at (the last 256 at most); missing where only quantiles are told.
        over_s: since when.
    """

    p50_ms: Annotated[float | None, Measure("ms")] = None
    p99_ms: Annotated[float | None, Measure("ms")] = None
    most_ms: float | None = None
    count: int | None = None
    over_s: float | None = None


class Collector(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The garbage collector.

    Args:
        cycles: completed so far.
        forced: of these, those that the program asked for.
        cycles_per_s: lately; see `Rates.over_s`.
        cpu_share: of the CPU time that the process used lately, what the collector took.
        cpu_cores: the same in cores.
        available_share: of what it might have used (GOMAXPROCS), lately.
        available_share_ever: the same since the start of the process.
        paused_share: of the time, lately, in which all goroutines stood still.
        target_bytes: size of the heap at which the next collection ends.
        last_age_s: how long ago the last one ended; missing before the first one.
        gogc_percent: how far the heap may grow between two collections; missing when it is off, or not known.
        off: whether GOGC is off, so that only the memory limit starts a collection.
    """

    cycles: int | None = None
    forced: int | None = None
    cycles_per_s: Annotated[float | None, Measure("/s")] = None
    cpu_share: Share = None
    cpu_cores: float | None = None
    available_share: Share = None
    available_share_ever: float | None = None
    paused_share: float | None = None
    pauses: Pauses | None = None
    target_bytes: int | None = None
    last_age_s: float | None = None
    gogc_percent: int | None = None
    off: bool | None = None


class Scheduler(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Threads that run Go code, against the CPU that there is.

    Args:
        gomaxprocs: threads that may run Go code at a time.
        known: how that is known: told by the service, set in its environment, or what this Go takes by itself.
        bound: whether a CPU quota stands.
        quota_cores: CPU quota of the control group; missing where there is none.
        allowed_cpus: CPUs that the process may run on.
        threads: of the process.
        threads_created: by the runtime so far; threads that are idle stay.
        cores_used: by the process, lately.
        throttled_share: share of the quota's periods, lately, in which it had to wait.
    """

    gomaxprocs: Count = None
    known: Known | None = None
    bound: Bound = Bound.UNKNOWN
    quota_cores: float | None = None
    allowed_cpus: int | None = None
    threads: Count = None
    threads_created: int | None = None
    cores_used: float | None = None
    throttled_share: Share = None


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the runtime may have of memory.

    Args:
        soft_bytes: GOMEMLIMIT; missing when there is none, or it is not known.
        limited: whether there is one; missing when that is not known.
        used_bytes: what counts against it: all that the runtime has from the system.
        share_of_soft: that against the limit.
        hard_bytes: limit of the control group; missing where there is none.
        headroom_bytes: what can still be had: up to the limit of the control group, or of the machine.
        headroom_of: which of the two.
    """

    soft_bytes: int | None = None
    limited: bool | None = None
    used_bytes: int | None = None
    share_of_soft: Share = None
    hard_bytes: int | None = None
    headroom_bytes: int | None = None
    headroom_of: str = ""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Over which time the rates are.

    Args:
        over_s: from an earlier look of the sidecar to this one.
        samples: how many cheap looks the sidecar holds of this process.
        watched_s: how long ago the first of them was.
    """

    over_s: float | None = None
    samples: int = 0
    watched_s: float | None = None


class Past(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of the main figures over the window, at even distances, oldest first; None where nothing was seen.

    Args:
        every_s: distance of two values.
        goroutines: how many.
        live_bytes: of the heap.
        allocated_bytes_per_s: rate.
        cycles_per_s: of the collector.
        gc_available_share: of the CPU that was available, used by the collector.
    """

    every_s: float
    goroutines: tuple[int | None, ...] = ()
    live_bytes: tuple[int | None, ...] = ()
    allocated_bytes_per_s: tuple[float | None, ...] = ()
    cycles_per_s: tuple[float | None, ...] = ()
    gc_available_share: tuple[float | None, ...] = ()


class Runtime(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the Go runtime of one instance does.

    Args:
        version: of Go.
        started_at: when the process started.
        goroutines: how many there are.
        goroutines_trend: per second.
        profiles: what the service offers to be profiled (``heap``, ``goroutineleak``); of its pprof pages.
        sources: per part of the answer, where it was seen.
        blind: what could not be seen, why, and how to make it visible.
    """

    may_lack: ClassVar[bool] = True
    version: str = ""
    started_at: datetime | None = None
    goroutines: Count = None
    goroutines_trend: Trend | None = None
    heap: Heap = Heap()
    gc: Collector = Collector()
    scheduler: Scheduler = Scheduler()
    memory: Limit = Limit()
    rates: Rates = Rates()
    past: Past | None = None
    profiles: tuple[str, ...] = ()
    sources: dict[str, str] = {}
    blind: tuple[Blind, ...] = ()
