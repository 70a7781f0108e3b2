"""`resources`: what the neighbour uses of CPU, memory, descriptors, sockets, disks, and how long until a limit is met.

Units stand in the names: ``_s`` seconds, ``_bytes``, ``_share`` of 1, ``cores`` of CPU. A field that is missing was not
asked for or could not be seen; in the latter case `Resources.blind` says why. Nothing unseen is ever reported as zero.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from diagmesh.contract.answers.cgroup import Bound, Cgroup, CgroupCpu, CgroupMemory, CgroupPids, Pressures
from diagmesh.contract.answers.surroundings import Disks, Host, Network, Sockets
from diagmesh.contract.measures import Measure
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = [
    "ContextSwitches",
    "Cpu",
    "CpuLately",
    "Descriptors",
    "Io",
    "Memory",
    "ProcessPart",
    "ProcessState",
    "QuotaShareOf",
    "Resources",
    "ResourcesQuestion",
    "Threads",
    "ToLimit",
    "Trend",
]

Bytes = Annotated[int | None, Measure("bytes")]
Count = Annotated[int | None, Measure("count")]
Share = Annotated[float | None, Measure("share")]
Cores = Annotated[float | None, Measure("cores")]


class ResourcesQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What to tell of the resources.

    ``detail``: ``brief`` is the cheap part only; ``normal`` adds trends and the cached expensive parts;
    ``full`` refreshes those and lists every filesystem, interface and listener.

    Args:
        window_s: how far back the trends look; the ring may hold less.
    """

    window_s: Annotated[float, Meta(ge=1, le=86_400)] = 600.0


class ProcessState(StrEnum):
    """What the kernel says the process does; *zombie* and *dead* are not running."""

    RUNNING = "running"
    SLEEPING = "sleeping"
    BLOCKED = "blocked in the kernel"
    STOPPED = "stopped"
    TRACED = "stopped by a tracer"
    ZOMBIE = "zombie"
    DEAD = "dead"
    IDLE = "idle"
    PARKED = "parked"
    UNKNOWN = "unknown"

    @property
    def alive(self) -> bool:
        """Whether a process in this state still exists as a running program."""
        return self not in {ProcessState.ZOMBIE, ProcessState.DEAD}


class QuotaShareOf(StrEnum):
    """Whose CPU use was held against the quota."""

    CGROUP = "cgroup"
    PROCESS = "process"


class ToLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """When a growing value meets its limit, if it goes on as it did.

    Args:
        limit: which limit, in words.
        headroom: what is left until there, in the unit of the value.
        earliest_s: with the steepest credible slope.
        likely_s: with the fitted slope.
        latest_s: with the flattest credible slope.
    """

    limit: str
    headroom: float
    earliest_s: float
    likely_s: float
    latest_s: float


class Trend(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The robust slope of one value (Theil-Sen), with its 95 % interval.

    Args:
        slope: per second, in the unit of the value.
        slope_low: lower end of the interval.
        slope_high: upper end; the value clearly grows only where ``slope_low`` is above zero.
        over_s: time between the first and the last sample.
        samples: how many samples were fitted.
        late_slope: of the later half of that time; far below ``slope`` where the growth comes to an end.
        to_limit: missing when there is no limit or no clear growth.
    """

    slope: float
    slope_low: float
    slope_high: float
    over_s: float
    samples: int
    late_slope: float | None = None
    to_limit: ToLimit | None = None


class ContextSwitches(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Context switches of all threads that live now, since each started."""

    voluntary: int
    involuntary: int


class ProcessPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The process itself.

    Args:
        oom_score: 0 to 2000; the higher, the sooner the kernel kills it when memory runs out.
        children: processes below it, at any depth.
    """

    pid: int
    state: ProcessState
    started_at: datetime
    uptime_s: float
    oom_score: int | None = None
    children: int | None = None
    context_switches: ContextSwitches | None = None


class CpuLately(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The same rates over a longer time (20 s, or what the sidecar holds): a burst of a second is no state.

    Args:
        over_s: the interval.
        cores_used: 1.0 is one core all the time.
        share_of_quota: use against the quota.
        throttled_share: share of the quota's periods in which it had to wait.
    """

    over_s: float
    cores_used: float
    share_of_quota: float | None = None
    throttled_share: float | None = None


class Cpu(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """CPU time of the process, and of its cgroup against the quota.

    Args:
        used_s: CPU time since the process started.
        over_s: the interval of ``cores_used``, ``share_of_quota`` and ``throttled_share``.
        cores_used: 1.0 is one core all the time.
        allowed_cpus: CPUs that it may run on.
        share_of_quota: use against the quota.
        share_of: whose use that is.
        throttled_share: share of the quota's periods in which it had to wait.
        lately: these rates over a longer time; missing where the sidecar holds no sample.
    """

    used_s: float
    over_s: float | None = None
    cores_used: Cores = None
    allowed_cpus: int | None = None
    share_of_quota: Share = None
    share_of: QuotaShareOf | None = None
    throttled_share: Share = None
    lately: CpuLately | None = None
    cgroup: CgroupCpu | None = None


class Memory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Memory of the process, and of its cgroup against the limit.

    Args:
        rss_bytes: resident, pages shared with others counted in full.
        pss_bytes: resident, shared pages divided among their users.
        uss_bytes: resident and its own alone: what would be freed if it ended.
        swap_bytes: swapped out.
        peak_rss_bytes: highest resident size so far.
    """

    rss_bytes: Bytes = None
    pss_bytes: Bytes = None
    uss_bytes: int | None = None
    swap_bytes: Bytes = None
    peak_rss_bytes: int | None = None
    cgroup: CgroupMemory | None = None
    trend: Trend | None = None


class Descriptors(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """File descriptors held, against the soft limit that the process really runs under."""

    held: Count = None
    bound: Bound = Bound.UNKNOWN
    soft_limit: int | None = None
    hard_limit: int | None = None
    share_of_limit: Share = None
    trend: Trend | None = None


class Threads(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Threads of the process, and tasks of its cgroup against the limit.

    Args:
        usual: the lower quartile of ``count`` over all samples that the sidecar holds: what it was before a step up.
        soft_limit: how many threads all processes of its user may have together; missing where there is no such limit,
            and for root, whom it does not bind.
    """

    count: Count = None
    usual: int | None = None
    soft_limit: int | None = None
    cgroup: CgroupPids | None = None
    trend: Trend | None = None


class Io(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Input and output since the process started: what reached the disk layer, and what was asked in system calls."""

    disk_read_bytes: int
    disk_write_bytes: int
    call_read_bytes: int
    call_write_bytes: int
    read_calls: int
    write_calls: int


class Resources(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one instance uses, and what of it is limited.

    Args:
        process: the process that was seen.
        expensive_age_s: how old the cached parts are: ``sockets``, ``network``, PSS, USS, swap, children,
            context switches.
        cgroup: which control group stands behind ``cpu.cgroup``, ``memory.cgroup`` and ``threads.cgroup``.
        ring_samples: how many samples of this process the sidecar holds.
        ring_over_s: from the first to the last of them.
        watched_s: how long ago the first of them was taken; missing where the sidecar holds none.
        blind: what could not be seen, why, and how to make it visible.
    """

    process: ProcessPart
    cpu: Cpu
    memory: Memory
    descriptors: Descriptors
    threads: Threads
    io: Io | None = None
    sockets: Sockets | None = None
    disks: Disks | None = None
    network: Network | None = None
    pressure: Pressures | None = None
    host: Host | None = None
    cgroup: Cgroup | None = None
    expensive_age_s: float | None = None
    ring_samples: int = 0
    ring_over_s: float = 0.0
    watched_s: float | None = None
    blind: tuple[Blind, ...] = ()
