"""allocation-storm: an instance allocates so much memory per second that the garbage collector cannot rest."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.profile import Profile, Row
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._profiles import blamed, facts, part, place
from diagmesh_rules._words import percent, size

__all__ = ["StormLimits", "allocation_storm"]


class StormLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is a storm.

    Args:
        per_s_bytes: allocated per second, by the whole process.
    """

    per_s_bytes: float = 128 * 1024 * 1024


_CPU_OF_IT: Final = ("PROF-001", "PROF-004")
"""The CPU that the storm takes is no news of its own."""


def _takes_the_cpu(answer: Profile, row: Row | None) -> bool:
    cpu = part(answer, "cpu", "cpu")
    hot = blamed(cpu) if cpu is not None else None
    return hot is not None and row is not None and hot.function == row.function


@rule(
    "PROF-002",
    "Allocates garbage without pause",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Profile,),
    limits=StormLimits(),
    costly=True,
)
def allocation_storm(seen: Evidence, limits: StormLimits) -> Iterator[Hit | Unjudged]:
    """Every instance allocates less than 128 MiB per second."""
    for where, answer in seen.each(Profile):
        allocs = part(answer, "allocs", "alloc_space")
        if allocs is None or answer.alloc_bytes_per_s is None:
            yield Unjudged(where=where, why="its allocations were not counted over a time in this look")
        elif answer.alloc_bytes_per_s >= limits.per_s_bytes:
            row = blamed(allocs)
            whose = f", {percent(row.flat_share)} of it in {place(row)}" if row is not None else ""
            rate = Fact(
                what="allocated per second",
                value=round(answer.alloc_bytes_per_s),
                unit="bytes",
                limit=limits.per_s_bytes,
            )
            yield Hit(
                where=where,
                instead_of=_CPU_OF_IT if _takes_the_cpu(answer, row) else (),
                title=f"allocates {size(answer.alloc_bytes_per_s)} per second{whose}",
                evidence=(rate, *(facts(row, allocs) if row is not None else ())),
            )
