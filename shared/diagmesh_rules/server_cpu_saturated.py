"""server-cpu-saturated: a nats-server uses nearly all of its cores, look after look."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Load
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._words import duration, percent

__all__ = ["ServerCpuLimits", "server_cpu_saturated"]


class ServerCpuLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much CPU is too much, and for how long.

    Args:
        cpu_share: of all cores that it uses.
        least_s: over looks that follow each other; fewer seconds may be a burst.
    """

    cpu_share: float = 0.9
    least_s: float = 5.0


@rule(
    "SRV-003",
    "CPU of the server is saturated",
    severity=Severity.ERROR,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Server,),
    limits=ServerCpuLimits(),
)
def server_cpu_saturated(seen: Evidence, limits: ServerCpuLimits) -> Iterator[Hit | Unjudged]:
    """Every nats-server has CPU to spare."""
    for where, answer in seen.each(Server):
        load = answer.load
        high_s = _high_s(load, limits.cpu_share)
        if load.cpu_share is None:
            yield Unjudged(where=where, why="its use of CPU was not told")
        elif load.cpu_share >= limits.cpu_share and high_s < limits.least_s:
            why = "its CPU is busy now; one look is not enough"
            yield Unjudged(where=where, why=why, again_in_s=max(1.0, limits.least_s - high_s))
        elif load.cpu_share >= limits.cpu_share:
            facts = (
                Fact(what="CPU of all cores", value=load.cpu_share, unit="share", limit=limits.cpu_share),
                Fact(what="for at least", value=high_s, unit="s"),
                Fact(what="cores", value=load.cores, unit="count"),
            )
            used = f"{percent(load.cpu_share)} of its {load.cores} cores for {duration(high_s)}"
            title = f"{answer.name} has used {used}"
            yield Hit(where=where, title=title, evidence=facts)


def _high_s(load: Load, share: float) -> float:
    """For how long every look saw that share or more; a sidecar that tells no looks knows of 0.9 only."""
    high_s = 0.0 if load.cpu_before else load.cpu_high_s
    for one in load.cpu_before:
        if one.share < share:
            break
        high_s = one.ago_s
    return high_s
