"""Reports added up to races: each once, by the two stacks involved, whichever came first; bounded."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from diagmesh.adapters.godump import first_own
from diagmesh.adapters.gorace.report import Report
from diagmesh.contract.answers.races import Access, Creation, Race

__all__ = ["Collected", "race_id"]

_ID_CHARACTERS: Final = 12
_MOST_FRAMES_IN_ALL: Final = 400_000
"""Of all races that are kept: real ones have some dozens each, hostile ones as many as there is memory."""
Part = TypeVar("Part", Access, Creation)


def race_id(accesses: Iterable[Access]) -> str:
    """Made of the code involved in both accesses: functions, files and lines, in whatever order they came."""
    stacks = sorted(
        "\n".join(f"{frame.function}\t{frame.file}\t{frame.line}" for frame in one.frames) for one in accesses
    )
    return hashlib.sha256("\n\n".join(stacks).encode("utf-8", "replace")).hexdigest()[:_ID_CHARACTERS]


class Collected:
    """The races that were seen, in the order in which they were seen first.

    Args:
        most_races: so many are kept, fewer of those with very long stacks; reports of further ones are only counted.
        most_frames: of each stack so many frames are kept, the innermost.

    Attributes:
        reports: how many reports there were.
        dropped: how many of them are about races that are not kept.
    """

    def __init__(self, most_races: int = 500, most_frames: int = 32) -> None:
        self.reports = 0
        self.dropped = 0
        self._most_races, self._most_frames = most_races, most_frames
        self._races: dict[str, Race] = {}
        self._frames_left = _MOST_FRAMES_IN_ALL

    def add(self, report: Report, seen_at: datetime | None = None) -> None:
        """One more report, read at that time: this counts where the log itself tells none."""
        self.reports += 1
        key, at = race_id(report.accesses), report.at or seen_at
        known = self._races.get(key)
        if known is None and (len(self._races) >= self._most_races or self._frames_left <= 0):
            self.dropped += 1
            return
        race = Race(
            id=key,
            accesses=tuple(self._bounded(one) for one in report.accesses),
            created=tuple(self._bounded(one) for one in report.created),
            count=1,
            first_seen=at,
            last_seen=at,
            tests=(report.test,) if report.test else (),
        )
        if known is None:
            stacks = [*(one.frames for one in race.accesses), *(one.frames for one in race.created)]
            self._frames_left -= sum(map(len, stacks))
        self._races[key] = race if known is None else known.joined(race)

    @property
    def races(self) -> tuple[Race, ...]:
        """All that are kept."""
        return tuple(self._races.values())

    def _bounded(self, one: Part) -> Part:
        kept = one.frames[: self._most_frames]
        own = first_own(one.frames)
        return msgspec.structs.replace(one, frames=kept, frames_left_out=len(one.frames) - len(kept), own=own)
