"""The recent past of the neighbour."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from diagmesh.contract.answers.cgroup import CgroupCpu
from diagmesh.contract.answers.resources import Trend

__all__ = ["Ring", "Sample", "Trends"]


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One cheap look, taken at a steady pace and kept in the ring.

    ``at`` is monotonic seconds; ``cpu_s`` is the CPU time used since the process started; None is *not readable*.
    ``cgroup_cpu`` are the counters at the level that has the CPU quota, if there is one.
    """

    at: float
    pid: int
    cpu_s: float | None
    rss_bytes: int | None
    descriptors: int | None
    threads: int | None
    cgroup_cpu: CgroupCpu | None = None


class Trends(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The slopes of the recent past, and how many threads are usual in it; None with too few samples."""

    rss: Trend | None = None
    descriptors: Trend | None = None
    threads: Trend | None = None
    threads_usual: float | None = None


class Ring(Protocol):
    """The bounded recent past of one neighbour."""

    def samples(self, window_s: float | None = None) -> Sequence[Sample]:
        """The samples of the present process, oldest first; at most the last ``window_s`` seconds."""
        ...

    def trends(self, window_s: float) -> Trends:
        """The slopes over the last ``window_s`` seconds (a millisecond of computing after each new sample)."""
        ...
