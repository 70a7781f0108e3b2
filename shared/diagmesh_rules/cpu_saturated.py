"""cpu-saturated: an instance uses nearly all the CPU that it may have."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.resources import Cpu, CpuLately, Resources
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._usage import cpu_too_short
from diagmesh_rules._words import number, percent

__all__ = ["SaturatedLimits", "cpu_saturated"]

_TICKS_S: Final = 0.2
"""The kernel counts CPU time in ticks: less says not even that there is no load."""


class SaturatedLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the CPU is used up.

    Args:
        busy_share: of the CPUs that the process may run on, or of its quota.
        least_over_s: a shorter time may be a burst: a start, a garbage collection.
        throttled_share: waiting for so large a share of the quota's periods is told by RES-002 instead.
    """

    busy_share: float = 0.9
    least_over_s: float = 10.0
    throttled_share: float = 0.1


@rule(
    "RES-001",
    "CPU is saturated",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Resources,),
    limits=SaturatedLimits(),
)
def cpu_saturated(seen: Evidence, limits: SaturatedLimits) -> Iterator[Hit | Unjudged]:
    """Every instance has CPU left, of the CPUs that it may run on and of its quota."""
    for where, answer in seen.each(Resources):
        cpu, lately = answer.cpu, answer.cpu.lately
        throttled = max(cpu.throttled_share or 0.0, (lately and lately.throttled_share) or 0.0)
        if throttled >= limits.throttled_share:
            continue
        if cpu.cores_used is None or not cpu.allowed_cpus:
            yield Unjudged(where=where, why="how much CPU it uses, or may use, was not seen")
        elif lately is not None and lately.over_s >= limits.least_over_s:
            if words := _words(lately.cores_used, lately.share_of_quota, cpu.allowed_cpus, limits):
                yield Hit(where=where, title=words, evidence=tuple(_facts(cpu, lately, answer, limits)))
        elif (
            cpu.over_s is None
            or cpu.over_s < _TICKS_S
            or _words(cpu.cores_used, cpu.share_of_quota, cpu.allowed_cpus, limits)
        ):
            yield cpu_too_short(answer, limits.least_over_s).at(where)


def _words(cores: float, share_of_quota: float | None, allowed: int, limits: SaturatedLimits) -> str:
    """Words for one that uses it up; empty for others."""
    if cores >= limits.busy_share * allowed:
        return f"uses {number(cores)} cores of {allowed} ({percent(cores / allowed)})"
    if share_of_quota is not None and share_of_quota >= limits.busy_share:
        return f"uses {percent(share_of_quota)} of its CPU quota"
    return ""


def _facts(cpu: Cpu, lately: CpuLately, answer: Resources, limits: SaturatedLimits) -> Iterator[Fact]:
    yield Fact(what="CPU used", value=lately.cores_used, unit="cores", limit=cpu.allowed_cpus)
    yield Fact(what="over", value=lately.over_s, unit="s")
    if lately.share_of_quota is not None:
        yield Fact(what="share of the quota", value=lately.share_of_quota, unit="share", limit=limits.busy_share)
    if answer.pressure is not None and answer.pressure.cpu is not None:
        scope = answer.pressure.scope.value
        yield Fact(what=f"waiting for CPU ({scope}, 10 s)", value=answer.pressure.cpu.some_avg10, unit="share")
    if answer.host is not None:
        yield Fact(what="load of the host (1 min)", value=answer.host.load_1m, limit=answer.host.cpus)
