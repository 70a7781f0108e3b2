"""Standard error of a launched service, as its sidecar reads it: reports of the race detector among everything else."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from diagmesh.adapters.gorace import RaceReader
from diagmesh.adapters.racewatch import News
from diagmesh.contract.answers.races import RaceSource
from diagmesh.contract.wire import Blind
from diagmesh_agents._launcher.area import STREAMS, Area

__all__ = ["CapturedErrors"]


class CapturedErrors:
    """Follows the ring in shared memory (`diagmesh.adapters.racewatch.Source`); whoever writes to it notices nothing.

    Args:
        areas: the parts of the ring, that of the pump and that of the launcher.
    """

    def __init__(self, areas: Sequence[Area]) -> None:
        self._areas = tuple(areas)
        self._positions = [0] * len(self._areas)
        self._reader = RaceReader()
        self._seen_bytes = self._missed_bytes = self._read_bytes = 0

    @property
    def cut(self) -> int:
        """Reports that were damaged."""
        return self._reader.cut

    @property
    def announced(self) -> int:
        """What ended programs said that they found."""
        return self._reader.announced

    def news(self, now: datetime) -> Sequence[News]:
        """What came since the last look, with the time at which it was written."""
        written = sum(area.totals()[0] for area in self._areas)
        frames = []
        for number, area in enumerate(self._areas):
            self._positions[number], new = area.since(self._positions[number])
            frames += new
        self._seen_bytes += sum(len(frame.data) for frame in frames)
        found = list[News]()
        missed = max(0, written - self._seen_bytes)
        if missed > self._missed_bytes:
            # Something is missing between what we had and what we have now: no report may be made of both.
            found += [News(report, now) for report in self._reader.end()]
            self._missed_bytes = missed
        monotonic = time.monotonic_ns()
        for frame in sorted(frames, key=lambda one: one.at_ns):
            if frame.stream == STREAMS[1]:
                self._read_bytes += len(frame.data)
                at = now - timedelta(microseconds=max(0, monotonic - frame.at_ns) / 1000)
                found += [News(report, at) for report in self._reader.feed(frame.data)]
        return found

    def told(self) -> RaceSource:
        """How much of it was read."""
        return RaceSource(kind="stderr", read_bytes=self._read_bytes, missed_bytes=self._missed_bytes)

    def blind(self) -> Sequence[Blind]:
        """What went by unread."""
        if not self._missed_bytes:
            return ()
        why = f"{self._missed_bytes:,} bytes of its output were overwritten before they were read"
        fix = "have the race detector write to files: GORACE=log_path=/PATH/PREFIX"
        return (Blind(what="part of its standard error", why=why, fix=fix),)
