"""Limits of a control group and what waits in it; a part of the `resources` answer."""

from enum import StrEnum
from typing import Annotated

import msgspec

from diagmesh.contract.measures import Measure

__all__ = [
    "Bound",
    "Cgroup",
    "CgroupCpu",
    "CgroupMemory",
    "CgroupPids",
    "CgroupVersion",
    "MemoryEvents",
    "PressureScope",
    "Pressures",
    "Stall",
]

Bytes = Annotated[int | None, Measure("bytes")]
Share = Annotated[float | None, Measure("share")]


class Bound(StrEnum):
    """Whether something is limited; *unknown* means that a limit may stand where the sidecar cannot look."""

    LIMITED = "limited"
    UNLIMITED = "unlimited"
    UNKNOWN = "unknown"


class CgroupVersion(StrEnum):
    """Which control group interface the kernel offers for this process."""

    V1 = "v1"
    V2 = "v2"
    HYBRID = "hybrid"


class PressureScope(StrEnum):
    """Whose waiting the pressure figures tell."""

    CGROUP = "cgroup"
    HOST = "host"


class Stall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Share of time in which tasks waited for one resource (kernel: pressure stall information).

    ``some``: at least one task waited; ``full``: all of them did. Seconds behind ``avg`` give the averaging time.
    """

    some_avg10: Annotated[float, Measure("share")]
    some_avg60: float
    some_avg300: float
    some_total_s: float
    full_avg10: float | None = None
    full_avg60: float | None = None
    full_avg300: float | None = None
    full_total_s: float | None = None


class Pressures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Waiting for CPU, memory and I/O, and whose waiting it is."""

    scope: PressureScope
    cpu: Stall | None = None
    memory: Stall | None = None
    io: Stall | None = None


class MemoryEvents(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the memory controller had to do since the cgroup was made; missing where the kernel does not count it.

    Args:
        high: times the soft limit throttled it.
        max: times an allocation met the hard limit (v1: ``failcnt``).
        oom: times the out-of-memory handler was called.
        oom_kill: processes killed.
    """

    high: int | None = None
    max: int | None = None
    oom: int | None = None
    oom_kill: Annotated[int | None, Measure("count")] = None


class CgroupMemory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Memory of the whole cgroup, held against the limits of it and of its ancestors.

    Args:
        bound: whether any limit stands.
        limit_bytes: the smallest limit.
        high_bytes: the smallest soft limit (v2).
        usage_bytes: everything charged to the cgroup, page cache included.
        working_set_bytes: the same without inactive file pages, which the kernel gives back for free.
        peak_bytes: highest usage so far.
        share_of_limit: working set to limit, at the level where it is nearest to its limit.
        share_at: that level, when it is an ancestor.
        headroom_bytes: what is left at the level with the least left.
        events: of the cgroup itself.
    """

    bound: Bound
    limit_bytes: int | None = None
    high_bytes: int | None = None
    usage_bytes: int | None = None
    working_set_bytes: Bytes = None
    peak_bytes: int | None = None
    share_of_limit: Share = None
    share_at: str = ""
    headroom_bytes: int | None = None
    events: MemoryEvents | None = None


class CgroupCpu(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """CPU quota of the cgroup and its ancestors (the smallest), and how often it ran into it since it was made.

    Args:
        bound: whether any quota stands.
        quota_cores: cores' worth of time per period.
        period_s: length of a period.
        usage_s: CPU time used by everything at the level that has the quota.
        periods: periods in which something wanted to run.
        throttled_periods: those of them that ended in waiting.
        throttled_s: time spent waiting, added up over CPUs.
    """

    bound: Bound
    quota_cores: float | None = None
    period_s: float | None = None
    usage_s: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None


class CgroupPids(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Tasks (threads) of the cgroup against the limit of it and its ancestors."""

    bound: Bound
    limit: int | None = None
    current: int | None = None
    share_of_limit: Share = None


class Cgroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Which control group the figures are of.

    Args:
        version: the layout of this machine.
        path: of the process in the hierarchy of the memory controller (else the unified one).
        ancestors_visible: whether all ancestors, which may hold tighter limits, could be read.
    """

    version: CgroupVersion
    path: str
    ancestors_visible: bool
