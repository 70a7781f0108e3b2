"""The neighbour's process as agents see it: a cheap look, an expensive one with its age, and the disks that it uses."""

import os
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from diagmesh.adapters.blinds import Blinds
from diagmesh.adapters.cgroup import CgroupReader
from diagmesh.adapters.depth import depth_of
from diagmesh.adapters.filesystems import disks_of
from diagmesh.adapters.host import host
from diagmesh.adapters.limits import Limits, io_of, oom_score_of
from diagmesh.adapters.links import tcp_links
from diagmesh.adapters.procfs import PidDir
from diagmesh.adapters.refresh import Refresher
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.target import Aged, Depth, Disk, Look, Sample, TcpLink

if TYPE_CHECKING:
    from diagmesh.adapters.goruntime.birth import Birth

__all__ = ["Process"]

_DEPTH_WAIT_S: Final = 1.5
_DISKS_WAIT_S: Final = 0.5
_DEAD_MOUNT: Final = "a mount that the process uses does not answer (a network filesystem whose server is gone?)"


class Process:
    """One process, bound to its identity: once it has ended, every look raises `NotRunning`.

    Args:
        directory: its files in /proc.
        cgroups: its control groups; default: those of this machine.
    """

    def __init__(self, directory: PidDir, cgroups: CgroupReader | None = None) -> None:
        self._dir = directory
        self._cgroups = cgroups or CgroupReader(directory)
        first = directory.living_stat()
        self._start_ticks = first.start_ticks
        self._started_at = directory.started_at(first)
        # These hold the directory, not us: its descriptors go with the last reference, without the garbage collector.
        self._depth = Refresher("expensive", lambda: depth_of(directory), timeout_s=_DEPTH_WAIT_S)
        self._disks = Refresher("disks", lambda: disks_of(directory), timeout_s=_DISKS_WAIT_S, fix=_DEAD_MOUNT)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._dir.pid

    @property
    def identity(self) -> tuple[int, int]:
        """Process id and start: what no other process shares."""
        return self._dir.pid, self._start_ticks

    @property
    def started_at(self) -> datetime:
        """When the kernel started it."""
        return self._started_at

    def state(self) -> ProcessState:
        """What it does now; raises `NotRunning` once it has ended, as a zombie too."""
        return self._dir.living_state()

    def look(self) -> Look:
        """The cheap set: what can be read in a few hundred microseconds, however large the process is.

        Raises:
            NotRunning: it has ended.
            Unreadable: not even its state can be read.
        """
        blinds = Blinds()
        at, stat = time.monotonic(), self._dir.living_stat()
        limits = Limits(self._dir)
        limit, tasks = blinds.see(limits.descriptors), blinds.see(limits.tasks)
        groups = self._cgroups.look()
        look = Look(
            at=at,
            pid=self._dir.pid,
            state=stat.state,
            started_at=self._started_at,
            uptime_s=round(self._dir.uptime_s(stat), 3),
            cpu_s=stat.user_s + stat.system_s,
            rss_bytes=stat.rss_bytes,
            threads=stat.threads,
            descriptors=blinds.see(self._dir.descriptors),
            fd_bounded=limit and limit.soft is not None,
            fd_soft_limit=limit and limit.soft,
            fd_hard_limit=limit and limit.hard,
            task_soft_limit=tasks and tasks.soft,
            allowed_cpus=blinds.see(self._allowed_cpus),
            io=blinds.see(lambda: io_of(self._dir)),
            oom_score=blinds.see(lambda: oom_score_of(self._dir)),
            cgroup=groups.cgroup,
            cgroup_cpu=groups.cpu,
            cgroup_memory=groups.memory,
            cgroup_pids=groups.pids,
            pressure=groups.pressure,
            host=blinds.see(host),
            blind=blinds.all() + groups.blind,
        )
        self._dir.living_state()  # what ends meanwhile leaves zeros behind
        return look

    def sample(self) -> Sample:
        """What the ring keeps; raises like `look`."""
        at, stat = time.monotonic(), self._dir.living_stat()
        sample = Sample(
            at=at,
            pid=self._dir.pid,
            cpu_s=stat.user_s + stat.system_s,
            rss_bytes=stat.rss_bytes,
            descriptors=Blinds().see(self._dir.descriptors),
            threads=stat.threads,
            cgroup_cpu=self._cgroups.cpu(),
        )
        self._dir.living_state()
        return sample

    def tcp_links(self) -> Sequence[TcpLink]:
        """Its TCP connections, but no listeners.

        Raises:
            NotRunning: it has ended.
            Unreadable: its descriptors may not be read.
        """
        return tcp_links(self._dir)

    async def depth(self, max_age_s: float) -> Aged[Depth]:
        """The expensive set: sockets, memory split, children, interfaces, context switches.

        Raises:
            NotRunning: it has ended.
            Unreadable: the look takes too long, and there is no earlier one.
        """
        self._dir.living_state()
        return await self._depth.get(max_age_s)

    async def disks(self, max_age_s: float) -> Aged[Disk]:
        """The filesystems that it uses; raises like `depth`."""
        self._dir.living_state()
        return await self._disks.get(max_age_s)

    def birth(self) -> "Birth":
        """What a Go process was born with; some milliseconds.

        Raises:
            NotRunning: it has ended.
        """
        from diagmesh.adapters.goruntime.birth import birth_of  # noqa: PLC0415  for neighbours that have Go pages

        return birth_of(self._dir)

    def _allowed_cpus(self) -> int:
        try:
            return len(os.sched_getaffinity(self._dir.pid))
        except OSError as error:
            raise self._dir.refusal(error, "allowed CPUs") from None
