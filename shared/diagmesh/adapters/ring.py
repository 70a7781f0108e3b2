"""The recent past of one neighbour: a bounded row of cheap samples of one and the same process."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from diagmesh.target import Sample

__all__ = ["CAPACITY", "SampleRing"]

CAPACITY: Final = 720
"""An hour at the default pace, in some 200 KiB."""


class SampleRing:
    """The last samples; those of an earlier process are dropped with the first one of a new process."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._samples: deque[Sample] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def add(self, sample: Sample) -> None:
        """Keep one more sample."""
        with self._lock:
            if self._samples and self._samples[-1].pid != sample.pid:
                self._samples.clear()
            self._samples.append(sample)

    def clear(self) -> None:
        """Forget everything: another process took the place."""
        with self._lock:
            self._samples.clear()

    def samples(self, window_s: float | None = None) -> Sequence[Sample]:
        """The samples of the present process, oldest first; at most the ``window_s`` seconds before the last one."""
        with self._lock:
            kept = list(self._samples)
        if window_s is None or not kept:
            return kept
        begin = kept[-1].at - window_s
        return [sample for sample in kept if sample.at >= begin]
