"""`races`: what the race detector of Go reported, each race once, with both accesses and where it was seen."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

import msgspec
from msgspec import Meta

from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.measures import Measure
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = ["Access", "Creation", "Detector", "Operation", "Race", "RaceSource", "Races", "RacesQuestion"]

_MOST_TESTS: Final = 5
_MOST_MERGED: Final = 50


class Operation(StrEnum):
    """What was done to the memory."""

    READ = "read"
    WRITE = "write"


class Detector(StrEnum):
    """Whether the program was built with the race detector (``go build -race``), by the build info in it."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class Access(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One of the two accesses.

    Args:
        operation: what was done.
        previous: whether it was the earlier one.
        address: of the memory (``0x00c000018118``), in the report that was seen first.
        by: who did it: ``main goroutine``, or ``goroutine 7``.
        frames: its stack, innermost first; empty when the race detector could not restore it.
        frames_left_out: how many more there are.
        own: the first frame that is not of Go itself: where to look; missing when there is none.
    """

    operation: Operation
    address: str
    by: str
    previous: bool = False
    frames: tuple[Frame, ...] = ()
    frames_left_out: int = 0
    own: Frame | None = None


class Creation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where a goroutine (or, in reports about locks, a mutex) was made.

    Args:
        of: ``goroutine 7``; ``mutex 3``.
        state: ``running`` or ``finished``; empty for a mutex.
        frames: the stack that made it, innermost first; empty when it could not be restored.
        frames_left_out: how many more there are.
        own: the first frame that is not of Go itself; missing when there is none.
    """

    of: str
    state: str = ""
    frames: tuple[Frame, ...] = ()
    frames_left_out: int = 0
    own: Frame | None = None


class Race(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One data race: every report about the same two stacks, whichever of them came first.

    Args:
        id: made of the code involved; the same for every instance of the same build.
        accesses: the later one first, as reported first.
        created: where the goroutines involved were made.
        count: how many reports there were.
        first_seen: of the reports; by the log, else by when the report was read; missing when neither is known.
        last_seen: likewise.
        tests: in which tests of Go, the first few.
        instances: reports per instance, where several were added up.
    """

    id: str
    accesses: tuple[Access, ...]
    count: int
    created: tuple[Creation, ...] = ()
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    tests: tuple[str, ...] = ()
    instances: dict[str, int] = {}

    def joined(self, other: "Race") -> "Race":
        """The same race with what another one says of it."""
        instances = dict(self.instances)
        for name, count in other.instances.items():
            instances[name] = instances.get(name, 0) + count
        return msgspec.structs.replace(
            self,
            count=self.count + other.count,
            first_seen=min(filter(None, (self.first_seen, other.first_seen)), default=None),
            last_seen=max(filter(None, (self.last_seen, other.last_seen)), default=None),
            tests=tuple(dict.fromkeys((*self.tests, *other.tests)))[:_MOST_TESTS],
            instances=instances,
        )


class RaceSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One place where reports were looked for.

    Args:
        kind: ``race log``, ``stderr`` or ``file``.
        where: the path (of a race log, its prefix).
        files: how many files that is.
        read_bytes: so much of it was read.
        missed_bytes: so much went by unread (the service wrote faster than it was read).
    """

    kind: str
    where: str = ""
    files: int = 0
    read_bytes: int = 0
    missed_bytes: int = 0


class RacesQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Which races.

    ``detail``: ``brief`` tells the innermost frame of each stack only.

    Args:
        limit: the latest so many.
        function: only races with this text in the name of a function of either access.
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    function: Annotated[str, Meta(max_length=500)] = ""


class Races(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the race detector reported, since the sidecar started or the files began.

    Args:
        distinct: how many races, each counted once.
        reports: how many reports in all.
        detector: whether the running program has the race detector at all.
        at: when this was told, by the clock of whoever tells it; missing where files were read.
        races: the latest first.
        left_out: how many races are not in ``races``, by the limit or for want of room.
        unsorted: reports of further races, when there were too many different ones to be told apart.
        cut: reports that were damaged or had no end, and could not be used.
        announced: what ``Found N data race(s)`` lines of ended programs add up to.
        sources: where was looked.
        blind: what could not be seen.
    """

    may_lack: ClassVar[bool] = True

    distinct: Annotated[int, Measure("count")]
    reports: Annotated[int, Measure("count")]
    detector: Detector = Detector.UNKNOWN
    at: datetime | None = None
    races: tuple[Race, ...] = ()
    left_out: int = 0
    unsorted: int = 0
    cut: int = 0
    announced: int = 0
    sources: tuple[RaceSource, ...] = ()
    blind: tuple[Blind, ...] = ()

    @classmethod
    def as_one(cls, answers: Sequence[tuple[str, Self]]) -> Self | None:
        """Each race once, with the reports per instance, most instances first; None when nobody told."""
        if not answers:
            return None
        known: dict[str, Race] = {}
        for name, answer in answers:
            for race in answer.races:
                named = msgspec.structs.replace(race, instances=race.instances or {name: race.count})
                known[race.id] = known[race.id].joined(named) if race.id in known else named
        races = sorted(known.values(), key=lambda race: (-len(race.instances), -race.count, race.id))
        told = [answer for _, answer in answers]
        detectors = {answer.detector for answer in told}
        return cls(
            distinct=len(races),
            reports=sum(answer.reports for answer in told),
            at=max((answer.at for answer in told if answer.at is not None), default=None),
            detector=detectors.pop() if len(detectors) == 1 else Detector.UNKNOWN,
            races=tuple(races[:_MOST_MERGED]),
            left_out=max(0, len(races) - _MOST_MERGED) + sum(answer.left_out for answer in told),
            unsorted=sum(answer.unsorted for answer in told),
            cut=sum(answer.cut for answer in told),
            announced=sum(answer.announced for answer in told),
        )
