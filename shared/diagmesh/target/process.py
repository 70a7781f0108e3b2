"""The process of the neighbour."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from diagmesh.contract.answers.resources import ProcessState
from diagmesh.target.looks import Aged, Depth, Disk, Look, TcpLink

__all__ = ["ProcessView"]


class ProcessView(Protocol):
    """One process, bound to its identity: after its end every look raises `NotRunning`, whoever gets its number."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def started_at(self) -> datetime:
        """When the kernel started it."""
        ...

    def state(self) -> ProcessState:
        """What it does now (some microseconds); raises `NotRunning` once it is gone."""
        ...

    def look(self) -> Look:
        """The cheap set. Reads files: call it in a thread."""
        ...

    def tcp_links(self) -> Sequence[TcpLink]:
        """Its TCP connections (no listeners). Reads files: call it in a thread; raises `Unreadable`."""
        ...

    async def depth(self, max_age_s: float) -> Aged[Depth]:
        """The expensive set, looked at again in a thread when it is older than that, one look at a time."""
        ...

    async def disks(self, max_age_s: float) -> Aged[Disk]:
        """The filesystems it uses, likewise; a file system that does not answer raises `Unreadable`."""
        ...
