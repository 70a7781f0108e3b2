"""hot-function: one function takes most of the CPU that an instance uses, and a good part of a core."""

from collections.abc import Iterator

from diagmesh.contract.answers.profile import Profile
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._profiles import blamed, facts, part, place
from diagmesh_rules._words import number, percent

__all__ = ["HotLimits", "hot_function"]


class HotLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a function is hot: both must hold.

    Args:
        busy_cores: so much CPU is spent by it, with what it lets Go's runtime do.
        busy_share: of the CPU of the whole process.
    """

    busy_cores: float = 0.5
    busy_share: float = 0.6


@rule(
    "PROF-001",
    "One function uses most of the CPU",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Profile,),
    limits=HotLimits(),
    costly=True,
)
def hot_function(seen: Evidence, limits: HotLimits) -> Iterator[Hit | Unjudged]:
    """No single function of an instance uses half a core and most of its CPU."""
    for where, answer in seen.each(Profile):
        cpu = part(answer, "cpu", "cpu")
        if cpu is None or cpu.per_s is None:
            yield Unjudged(where=where, why="its CPU was not sampled in this look")
            continue
        row = blamed(cpu)
        cores = cpu.per_s * row.flat_share if row is not None else 0.0
        if row is not None and row.flat_share >= limits.busy_share and cores >= limits.busy_cores:
            used = Fact(what="CPU used by it", value=round(cores, 3), unit="cores", limit=limits.busy_cores)
            title = f"{place(row)} uses {number(cores, 2)} cores, {percent(row.flat_share)} of the CPU of the process"
            yield Hit(where=where, title=title, evidence=(used, *facts(row, cpu)))
