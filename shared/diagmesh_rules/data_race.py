"""data-race: the race detector saw two goroutines use the same memory at the same time, one of them writing."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from diagmesh.contract.answers.races import Access, Creation, Detector, Race, Races
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["RaceLimits", "data_race"]

_MOST_TOLD = 3
_MOST_CREATED = 2


class RaceLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which race is worth telling.

    Args:
        recent_s: one that was reported longer ago is not told any more (each process reports a race once).
    """

    recent_s: float = 86_400.0


@rule(
    "RACE-001",
    "Data race seen",
    severity=Severity.ERROR,
    issue=FindingClass.LOGIC_ERROR,
    reads=(Races,),
    limits=RaceLimits(),
)
def data_race(seen: Evidence, limits: RaceLimits) -> Iterator[Hit | Unjudged]:
    """The race detector, where a program was built with it, has reported no data race lately."""
    for where, answer in seen.each(Races):
        recent = [race for race in answer.races if _recent(race, answer.at, limits.recent_s)]
        if recent:
            many = f"{len(recent)} data races, the latest: " if len(recent) > 1 else "data race: "
            told = "; before it ".join(_words(one) for one in recent[0].accesses)
            facts = tuple(fact for race in recent[:_MOST_TOLD] for fact in _facts(race))
            yield Hit(where=where, title=f"{many}{told}", evidence=facts)
        elif answer.detector is Detector.OFF:
            why = "the program that runs now was not built with -race, so that it reports nothing"
            yield Unjudged(where=where, why=why, not_here=True)
        elif answer.detector is Detector.UNKNOWN:
            yield Unjudged(where=where, why="whether its program was built with -race could not be seen")
        elif answer.cut:
            yield Unjudged(where=where, why="reports of the race detector are there, but cut or damaged")
        elif answer.left_out or answer.unsorted:
            yield Unjudged(where=where, why="the answer leaves races out")


def _recent(race: Race, now: datetime | None, recent_s: float) -> bool:
    return now is None or race.last_seen is None or now - race.last_seen < timedelta(seconds=recent_s)


def _facts(race: Race) -> Iterator[Fact]:
    for access, when in zip(race.accesses, ("later access", "earlier access"), strict=False):
        yield Fact(what=when, value=f"{_words(access)} by {access.by}")
    for made in race.created[:_MOST_CREATED]:
        yield Fact(what=f"{made.of} made at", value=_place(made))
    yield Fact(what="reports", value=race.count, unit="count")
    for what, at in (("first seen", race.first_seen), ("last seen", race.last_seen)):
        if at is not None:
            yield Fact(what=what, value=at.isoformat(timespec="seconds"))


def _words(access: Access) -> str:
    return f"{access.operation} in {_place(access)}"


def _place(one: Access | Creation) -> str:
    """Function, file and line of the service itself, where that is on the stack."""
    frame = one.own or next(iter(one.frames), None)
    if frame is None:
        return "a stack that could not be restored"
    file = "/".join(frame.file.split("/")[-2:])
    return f"{frame.function.rpartition('/')[2]} ({file}:{frame.line})"
