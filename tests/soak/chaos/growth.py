"""Whether anything grows: memory, descriptors, threads, tasks and subscriptions of every process of ours."""

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from soak.chaos.cluster import Standing

__all__ = ["LIMITS", "MEASURES", "MOST_THREADS", "Growth", "Sample", "growing", "left_over", "look"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MIB: Final = 1 << 20
_BUCKETS: Final = 20
MEASURES: Final = ("rss_mib", "descriptors", "threads", "tasks", "subscriptions")
LIMITS: Final = {"rss_mib": 4.0, "descriptors": 1.5, "tasks": 2.0, "subscriptions": 0.5}
"""The most that the trend may add over the judged part of a run; what is counted must not grow by one in the long run,
but is looked at while questions are being answered."""
MOST_THREADS: Final = 1 + 4 * 3
"""Beside the main thread a pool of four for each kind and for our own looks; they are made when they are needed, and
kept. So their number climbs to this and no further."""
_IDLE_LIMITS: Final = {"descriptors": 1, "tasks": 1, "subscriptions": 0}
"""The most that may be left over when all is quiet again, against before the first fault."""


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One look at one process; None where it could not be seen at that moment.

    Args:
        name: whose.
        pid: of this life of it.
        at: monotonic seconds.
    """

    name: str
    pid: int
    at: float
    rss_mib: float | None = None
    descriptors: int | None = None
    threads: int | None = None
    tasks: int | None = None
    subscriptions: int | None = None


class Growth(msgspec.Struct, frozen=True):
    """What the trend adds to one measure of one process over the judged time.

    Args:
        name: whose.
        measure: what.
        first: typical value at the beginning of the judged time.
        last: the same at its end.
        trend: what the Theil-Sen slope adds over the whole of it.
    """

    name: str
    measure: str
    first: float
    last: float
    trend: float

    @property
    def bad(self) -> bool:
        """Whether it grows by more than its limit and really was higher at the end; threads: too many."""
        if self.measure == "threads":
            return self.last > MOST_THREADS
        limit = LIMITS[self.measure]
        return self.trend > limit and self.last - self.first > limit


def look(name: str, pid: int, tasks_file: Path, standing: Mapping[str, Standing]) -> Sample:
    """One look at one process by /proc; its subscriptions as its server tells."""
    at = time.monotonic()
    process = Path("/proc", str(pid))
    try:
        pages = int((process / "statm").read_text().split()[1])
        descriptors = sum(1 for _ in (process / "fd").iterdir())
        threads = sum(1 for _ in (process / "task").iterdir())
    except (OSError, IndexError):
        return Sample(name, pid, at)  # it was killed just now
    try:
        tasks = int(tasks_file.read_text())
    except (OSError, ValueError):
        tasks = None  # it has only just started
    there = standing.get(name)
    subscriptions = len(there.subjects) if there else None
    return Sample(name, pid, at, round(pages * _PAGE / _MIB, 2), descriptors, threads, tasks, subscriptions)


def growing(samples: Sequence[Sample], since: float) -> list[Growth]:
    """The trend of each measure of one process, from an instant on.

    Medians of `_BUCKETS` equal spans stand for single looks, so that a moment of work is not taken for growth.
    """
    judged = [one for one in samples if one.at >= since]
    found = []
    for measure in MEASURES:
        points = [(one.at, float(value)) for one in judged if (value := getattr(one, measure)) is not None]
        medians = _medians(points)
        if len(medians) < 4:
            continue
        slopes = [
            (later[1] - earlier[1]) / (later[0] - earlier[0])
            for position, earlier in enumerate(medians)
            for later in medians[position + 1 :]
        ]
        third = max(1, len(medians) // 4)
        first = statistics.median(value for _, value in medians[:third])
        last = statistics.median(value for _, value in medians[-third:])
        trend = statistics.median(slopes) * (medians[-1][0] - medians[0][0])
        found.append(Growth(judged[0].name, measure, round(first, 2), round(last, 2), round(trend, 2)))
    return found


def left_over(before: Sequence[Sample], after: Sequence[Sample]) -> list[str]:
    """What is there when all is quiet again and was not before the first fault: one line each; lowest looks count."""
    said = []
    for name in dict.fromkeys(one.name for one in after):
        for measure, limit in _IDLE_LIMITS.items():
            then, now = (_lowest(samples, name, measure) for samples in (before, after))
            if then is not None and now is not None and now - then > limit:
                said.append(f"{name} keeps {now} {measure}, {then} before the first fault")
    return said


def _lowest(samples: Sequence[Sample], name: str, measure: str) -> int | None:
    values = [getattr(one, measure) for one in samples if one.name == name]
    return min((value for value in values if value is not None), default=None)


def _medians(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) < _BUCKETS:
        return list(points)
    size = len(points) / _BUCKETS
    parts = [points[int(number * size) : int((number + 1) * size)] for number in range(_BUCKETS)]
    return [(statistics.median(at for at, _ in part), statistics.median(value for _, value in part)) for part in parts]
