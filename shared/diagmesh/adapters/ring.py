"""The recent past of one neighbour: a bounded row of cheap samples of one and the same process."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from diagmesh.adapters.trend import trend_of, usual_of
from diagmesh.target import Sample, Trends

__all__ = ["CAPACITY", "SampleRing"]

CAPACITY: Final = 720
"""An hour at the default pace, in some 200 KiB."""


class SampleRing:
    """The last samples; those of an earlier process are dropped with the first one of a new process."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._samples: deque[Sample] = deque(maxlen=capacity)
        self._lock = threading.Lock()
        self._fitted: tuple[float, float, Trends] | None = None

    def __len__(self) -> int:
        """How many samples it holds."""
        return len(self._samples)

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

    def trends(self, window_s: float) -> Trends:
        """The slopes over the window, and what is usual over all of it; fitted once per sample, in a millisecond."""
        last = self._fitted
        with self._lock:
            newest = self._samples[-1].at if self._samples else None
        if last is not None and last[:2] == (newest, window_s):
            return last[2]
        kept = self.samples(window_s)
        if not kept:
            return Trends()
        fitted = Trends(
            rss=trend_of([(one.at, one.rss_bytes) for one in kept if one.rss_bytes is not None]),
            descriptors=trend_of([(one.at, one.descriptors) for one in kept if one.descriptors is not None]),
            threads=trend_of([(one.at, one.threads) for one in kept if one.threads is not None]),
            threads_usual=usual_of([(one.at, one.threads) for one in self.samples() if one.threads is not None]),
        )
        self._fitted = (kept[-1].at, window_s, fitted)
        return fitted
