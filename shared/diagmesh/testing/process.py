"""A process and its past, of the test's making."""

from collections.abc import Sequence
from datetime import UTC, datetime

from diagmesh.contract.answers.resources import ProcessState
from diagmesh.errors import Unreadable
from diagmesh.target import (
    Aged,
    Depth,
    Disk,
    Look,
    Sample,
    TcpLink,
    Trends,
)

__all__ = ["FakeProcess", "FakeRing"]


class FakeProcess:
    """A process that shows what the test gives it.

    Args:
        states: told one after the other, the last one for good; an exception among them is raised.
        look: the cheap set; without it a look is `Unreadable`.
        depth: the expensive set, likewise.
        disk: the filesystems, likewise.
        links: its TCP connections, likewise.
        pid: its process id.
        started_at: when it started; default: now.
    """

    def __init__(
        self,
        *states: ProcessState | Exception,
        look: Look | None = None,
        depth: Depth | None = None,
        disk: Disk | None = None,
        links: Sequence[TcpLink] | None = None,
        pid: int = 4242,
        started_at: datetime | None = None,
    ) -> None:
        self.pid = pid
        self.started_at = started_at or datetime.now(UTC)
        self._states = list(states) or [ProcessState.SLEEPING]
        self._look = look
        self._depth = depth
        self._disk = disk
        self._links = links

    def tcp_links(self) -> Sequence[TcpLink]:
        """The connections that the test gave."""
        if self._links is None:
            raise Unreadable("sockets", "the test gave this fake no connections")
        return self._links

    def state(self) -> ProcessState:
        """The next state."""
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, Exception):
            raise state
        return state

    def look(self) -> Look:
        """The cheap set."""
        if self._look is None:
            raise Unreadable("process", "the test gave this fake no look")
        return self._look

    async def depth(self, max_age_s: float) -> Aged[Depth]:  # noqa: ARG002  a fake has one depth of any age
        """The expensive set."""
        if self._depth is None:
            raise Unreadable("process", "the test gave this fake no depth")
        return Aged(self._depth, 0.0)

    async def disks(self, max_age_s: float) -> Aged[Disk]:  # noqa: ARG002  likewise
        """The filesystems."""
        if self._disk is None:
            raise Unreadable("filesystems", "the test gave this fake no disk")
        return Aged(self._disk, 0.0)


class FakeRing:
    """A recent past of the test's making; ``window_s`` counts back from the last sample."""

    def __init__(self, *samples: Sample, trends: Trends | None = None) -> None:
        self._samples = samples
        self._trends = trends or Trends()

    def samples(self, window_s: float | None = None) -> Sequence[Sample]:
        """The samples of the window, oldest first."""
        if window_s is None or not self._samples:
            return self._samples
        return tuple(s for s in self._samples if s.at >= self._samples[-1].at - window_s)

    def trends(self, window_s: float) -> Trends:  # noqa: ARG002  a fake has the same slopes over any window
        """The slopes that the test gave."""
        return self._trends
