"""mutex-contention: goroutines of an instance wait for a lock that one function holds for too long or too often."""

from collections.abc import Iterator

from diagmesh.contract.answers.profile import Counted, Profile
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._profiles import blamed, facts, part, place
from diagmesh_rules._words import number, percent

__all__ = ["ContentionLimits", "mutex_contention"]


class ContentionLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much waiting for locks is too much.

    Args:
        wait_s_per_s: seconds that all goroutines together wait for locks, per second.
        least_count: so many waits: Go counts one of several, and one long wait of a busy machine is no contention.
    """

    wait_s_per_s: float = 0.2
    least_count: int = 50


def _waited(answer: Profile, delay: Counted) -> float:
    """Without the locks of Go's own runtime, which an allocation storm makes scarce."""
    of_runtime = sum(row.flat for row in delay.rows if row.function.startswith("runtime."))
    return (answer.mutex_wait or 0.0) * (1 - of_runtime / delay.total if delay.total else 0.0)


@rule(
    "PROF-003",
    "Goroutines wait for a lock",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Profile,),
    limits=ContentionLimits(),
    costly=True,
)
def mutex_contention(seen: Evidence, limits: ContentionLimits) -> Iterator[Hit | Unjudged]:
    """The goroutines of every instance wait for locks less than a fifth of a second per second."""
    for where, answer in seen.each(Profile):
        delay = part(answer, "mutex", "delay")
        if delay is None or delay.over_s is None:
            yield Unjudged(where=where, why="waiting for locks was not counted over a time in this look")
        elif answer.mutex_wait is None:
            yield Unjudged(where=where, why="the service does not count who waits for locks")
        elif (waited := _waited(answer, delay)) >= limits.wait_s_per_s and (delay.events or 0) >= limits.least_count:
            row = blamed(delay)
            whose = f"; {percent(row.flat_share)} of it while {place(row)} holds one" if row is not None else ""
            rate = Fact(what="waited per second", value=round(waited, 3), unit="s", limit=limits.wait_s_per_s)
            yield Hit(
                where=where,
                title=f"goroutines wait for locks {number(waited, 2)} s per second{whose}",
                evidence=(
                    rate,
                    Fact(what="waits", value=delay.events, unit="count"),
                    *(facts(row, delay) if row is not None else ()),
                ),
            )
