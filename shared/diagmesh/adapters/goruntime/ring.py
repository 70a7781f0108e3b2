"""The bounded past of a Go runtime: cheap looks at one and the same process."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from diagmesh.goruntime import GoSample

__all__ = ["CAPACITY", "GoRing"]

CAPACITY: Final = 360
"""Half an hour at the default pace, in some 150 KiB."""


class GoRing:
    """The last samples; those of an earlier process are dropped with the first one of a new process."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._samples: deque[GoSample] = deque(maxlen=capacity)

    def __len__(self) -> int:
        """How many it holds."""
        return len(self._samples)

    @property
    def last(self) -> GoSample | None:
        """The youngest."""
        return self._samples[-1] if self._samples else None

    def add(self, sample: GoSample) -> None:
        """Keep one more; one that is older than the last is dropped."""
        last = self.last
        if last is not None:
            if sample.at <= last.at:
                return
            if _another(last, sample):
                self._samples.clear()
        self._samples.append(sample)

    def samples(self, window_s: float | None = None) -> Sequence[GoSample]:
        """The samples of the present process, oldest first; at most the ``window_s`` seconds before the last one."""
        kept = list(self._samples)
        if window_s is None or not kept:
            return kept
        begin = kept[-1].at - window_s
        return [one for one in kept if one.at >= begin]


def _another(before: GoSample, now: GoSample) -> bool:
    """Whether it is another process: another number, or counters that only grow have fallen."""
    if before.pid and now.pid and before.pid != now.pid:
        return True
    pairs = ((before.allocated_bytes, now.allocated_bytes), (before.gc_cycles, now.gc_cycles))
    return any(old is not None and new is not None and new < old for old, new in pairs)
