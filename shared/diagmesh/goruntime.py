"""What an agent may see of the Go runtime of its neighbour: one look at it, and the bounded past of such looks."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from diagmesh.contract.answers.profile import Row
from diagmesh.contract.wire import Blind

__all__ = ["GoLook", "GoRuntime", "GoSample", "HeapGrowth", "Pause"]


class Pause(msgspec.Struct, frozen=True, gc=False):
    """One stop of all goroutines by the collector: when it ended (Unix seconds), and how long it was (seconds)."""

    ended_at: float
    took_s: float


class GoSample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One cheap look, kept in the ring. None is *not seen*; ``at`` is monotonic seconds.

    Args:
        pid: of the process that was seen, 0 where none was known.
        goroutines: how many there are.
        heap_live_bytes: what survived the last collection.
        heap_in_use_bytes: spans with at least one object.
        allocated_bytes: all that was ever allocated.
        gc_cycles: completed collections.
        gc_paused_s: time for which all goroutines stood still, since the start.
        gc_used_s: share of the CPU used by the collector times the time since the start, both up to its last cycle.
        gc_ended_at: when the last collection ended, Unix seconds; 0 before the first one.
    """

    at: float
    pid: int = 0
    goroutines: int | None = None
    heap_live_bytes: int | None = None
    heap_in_use_bytes: int | None = None
    allocated_bytes: int | None = None
    gc_cycles: int | None = None
    gc_paused_s: float | None = None
    gc_used_s: float | None = None
    gc_ended_at: float | None = None


class GoLook(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One look at the runtime, from all pages that the settings name. None is *not seen*; ``blind`` says why.

    Args:
        at: monotonic seconds.
        unix_s: the same moment on our clock.
        pid: of the process beside which we are, 0 where none fits.
        started_at: Unix seconds; when it started.
        version: of Go (``go1.27.3``).
        build: settings of its build (``DefaultGODEBUG``), as the executable tells them.
        modules: paths of the modules that it was built from.
        godebug: the variable GODEBUG.
        goroutines: how many there are.
        threads_created: so far.
        gomaxprocs: threads that may run Go code at a time.
        gogc_percent: growth of the heap between two collections; -1 is *off*.
        memory_limit_bytes: the soft limit (GOMEMLIMIT).
        memory_limited: whether there is such a limit.
        heap_in_use_bytes: spans with at least one object.
        heap_idle_bytes: spans without any.
        heap_released_bytes: of these, what was given back to the system.
        heap_allocated_bytes: objects, with those that are dead but not swept yet.
        heap_objects: how many.
        heap_live_bytes: what survived the last collection.
        stacks_bytes: of goroutines.
        runtime_bytes: all that the runtime took from the system.
        allocated_bytes: all that was ever allocated.
        allocations: how many.
        gc_target_bytes: size of the heap at which the next collection ends.
        gc_cycles: completed collections.
        gc_forced: of these, those that the program asked for.
        gc_ended_at: when the last one ended, Unix seconds; 0 before the first one.
        gc_paused_s: time for which all goroutines stood still, since the start.
        gc_cpu_share: of the CPU time that was available since the start, used by the collector.
        pauses: the last of them (up to 256), youngest first.
        pause_p50_s: where only quantiles are told, the median.
        pause_most_s: likewise, the longest.
        profiles: which the service offers.
        sources: where each field was seen.
        blind: what could not be seen.
    """

    at: float
    unix_s: float
    pid: int = 0
    started_at: float | None = None
    version: str = ""
    build: Mapping[str, str] = {}
    modules: tuple[str, ...] = ()
    godebug: str = ""
    goroutines: int | None = None
    threads_created: int | None = None
    gomaxprocs: int | None = None
    gogc_percent: int | None = None
    memory_limit_bytes: int | None = None
    memory_limited: bool | None = None
    heap_in_use_bytes: int | None = None
    heap_idle_bytes: int | None = None
    heap_released_bytes: int | None = None
    heap_allocated_bytes: int | None = None
    heap_objects: int | None = None
    heap_live_bytes: int | None = None
    stacks_bytes: int | None = None
    runtime_bytes: int | None = None
    allocated_bytes: int | None = None
    allocations: int | None = None
    gc_target_bytes: int | None = None
    gc_cycles: int | None = None
    gc_forced: int | None = None
    gc_ended_at: float | None = None
    gc_paused_s: float | None = None
    gc_cpu_share: float | None = None
    pauses: tuple[Pause, ...] = ()
    pause_p50_s: float | None = None
    pause_most_s: float | None = None
    profiles: tuple[str, ...] = ()
    sources: Mapping[str, str] = {}
    blind: tuple[Blind, ...] = ()


class HeapGrowth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the live heap grew by, as two heap profiles tell it.

    Args:
        at: monotonic seconds; when the later one was taken.
        over_s: between the two.
        grown_bytes: what is in use more than before, as sampled.
        rows: who allocated it, the most first; shares are of the growth.
    """

    at: float
    over_s: float
    grown_bytes: int
    rows: tuple[Row, ...] = ()


class GoRuntime(Protocol):
    """The Go runtime of one instance."""

    async def look(self) -> GoLook:
        """Look now; looks that are asked for at the same time are one.

        Raises:
            NotConfigured: the settings name no page that tells of it.
            NoPage: none of those that they name could be had; the reason is that of the best one.
        """
        ...

    def samples(self, window_s: float | None = None) -> Sequence[GoSample]:
        """The cheap looks of the present process, oldest first; at most the last ``window_s`` seconds."""
        ...

    @property
    def growth(self) -> HeapGrowth | None:
        """What the heap of the present process grows by; None while it does not, or not enough was seen of it."""
        ...
