"""What is seen of a process: in a cheap look, in an expensive one, of its files, of its connections."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from diagmesh.contract.answers.cgroup import Cgroup, CgroupCpu, CgroupMemory, CgroupPids, Pressures
from diagmesh.contract.answers.resources import ContextSwitches, Io, ProcessState
from diagmesh.contract.answers.surroundings import Filesystem, Host, Interface, Sockets
from diagmesh.contract.wire import Blind

__all__ = ["Aged", "Depth", "Disk", "Look", "TcpLink"]

T = TypeVar("T")


class Look(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One cheap look at the process and its cgroup. None is *not readable*; ``blind`` says why.

    Args:
        at: monotonic seconds.
        cpu_s: CPU time used since the process started.
        fd_bounded: False when the limit of descriptors is *unlimited*, None when it is not readable.
        task_soft_limit: threads that all processes of its user may have; None when unlimited or when it is root's.
    """

    at: float
    pid: int
    state: ProcessState
    started_at: datetime
    uptime_s: float
    cpu_s: float
    rss_bytes: int
    threads: int
    descriptors: int | None = None
    fd_bounded: bool | None = None
    fd_soft_limit: int | None = None
    fd_hard_limit: int | None = None
    task_soft_limit: int | None = None
    allowed_cpus: int | None = None
    io: Io | None = None
    oom_score: int | None = None
    cgroup: Cgroup | None = None
    cgroup_cpu: CgroupCpu | None = None
    cgroup_memory: CgroupMemory | None = None
    cgroup_pids: CgroupPids | None = None
    pressure: Pressures | None = None
    host: Host | None = None
    blind: tuple[Blind, ...] = ()


class Depth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One expensive look at the process. None is *not readable*; ``blind`` says why."""

    pss_bytes: int | None = None
    uss_bytes: int | None = None
    swap_bytes: int | None = None
    peak_rss_bytes: int | None = None
    sockets: Sockets | None = None
    interfaces: tuple[Interface, ...] | None = None
    children: int | None = None
    context_switches: ContextSwitches | None = None
    blind: tuple[Blind, ...] = ()


class Disk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One look at the filesystems that the process uses."""

    filesystems: tuple[Filesystem, ...] = ()
    blind: tuple[Blind, ...] = ()


class Aged(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """Something seen, and how long ago."""

    value: T
    age_s: float


class TcpLink(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One TCP connection of the process, as the kernel tells it.

    Args:
        local_address: of this side.
        local_port: of this side.
        remote_address: of the other side.
        remote_port: of the other side.
        state: as ``ESTABLISHED``.
        send_queue_bytes: handed to the kernel and not confirmed by the other side.
        receive_queue_bytes: arrived and not read by the process.
    """

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    state: str
    send_queue_bytes: int
    receive_queue_bytes: int
