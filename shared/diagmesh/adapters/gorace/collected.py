"""Reports added up to races: each once, by the two stacks involved, whichever came first; bounded."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from diagmesh.adapters.gorace.report import Report
from diagmesh.contract.answers.races import Access, Creation, Race, Races

__all__ = ["Collected", "merged", "race_id"]

_MOST_TESTS: Final = 5
_ID_CHARACTERS: Final = 12
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
        most_races: so many are kept; reports of further ones are only counted.
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

    def add(self, report: Report, seen_at: datetime | None = None) -> None:
        """One more report, read at that time: this counts where the log itself tells none."""
        self.reports += 1
        key, at = race_id(report.accesses), report.at or seen_at
        known = self._races.get(key)
        if known is None and len(self._races) >= self._most_races:
            self.dropped += 1
        elif known is None:
            self._races[key] = Race(
                id=key,
                accesses=tuple(self._bounded(one) for one in report.accesses),
                created=tuple(self._bounded(one) for one in report.created),
                count=1,
                first_seen=at,
                last_seen=at,
                tests=(report.test,) if report.test else (),
            )
        else:
            new = report.test and report.test not in known.tests and len(known.tests) < _MOST_TESTS
            self._races[key] = msgspec.structs.replace(
                known,
                count=known.count + 1,
                first_seen=_extreme(min, known.first_seen, at),
                last_seen=_extreme(max, known.last_seen, at),
                tests=(*known.tests, report.test) if new else known.tests,
            )

    @property
    def races(self) -> tuple[Race, ...]:
        """All that are kept."""
        return tuple(self._races.values())

    def _bounded(self, one: Part) -> Part:
        more = len(one.frames) - self._most_frames
        if more <= 0:
            return one
        return msgspec.structs.replace(one, frames=one.frames[: self._most_frames], frames_left_out=more)


def merged(answers: Iterable[tuple[str, Races]]) -> tuple[Race, ...]:
    """The races of several instances, each once, with the reports per instance; those with most instances first."""
    known: dict[str, Race] = {}
    for name, answer in answers:
        for race in answer.races:
            one = known.get(race.id)
            if one is None:
                known[race.id] = msgspec.structs.replace(race, instances={name: race.count})
                continue
            known[race.id] = msgspec.structs.replace(
                one,
                count=one.count + race.count,
                first_seen=_extreme(min, one.first_seen, race.first_seen),
                last_seen=_extreme(max, one.last_seen, race.last_seen),
                tests=tuple(dict.fromkeys((*one.tests, *race.tests)))[:_MOST_TESTS],
                instances={**one.instances, name: one.instances.get(name, 0) + race.count},
            )
    return tuple(sorted(known.values(), key=lambda race: (-len(race.instances), -race.count, race.id)))


def _extreme(
    which: Callable[[datetime, datetime], datetime], one: datetime | None, other: datetime | None
) -> datetime | None:
    if one is None or other is None:
        return one or other
    return which(one, other)
