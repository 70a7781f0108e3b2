"""cpu-saturated: an instance uses nearly all the CPU that it may have."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.resources import Cpu, Resources
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._words import percent

__all__ = ["SaturatedLimits", "cpu_saturated"]

_SLACK_S: Final = 2.0
"""Whom the sidecar watches for longer than that, it could have compared over a second."""


class SaturatedLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the CPU is used up.

    Args:
        busy_share: of the CPUs that the process may run on, or of its quota.
        least_over_s: a shorter interval says little.
        throttled_share: waiting for so large a share of the quota's periods is told by RES-002 instead.
    """

    busy_share: float = 0.9
    least_over_s: float = 0.9
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
        cpu = answer.cpu
        if cpu.throttled_share is not None and cpu.throttled_share >= limits.throttled_share:
            continue
        if cpu.cores_used is None or cpu.over_s is None or not cpu.allowed_cpus:
            yield Unjudged(where=where, why="how much CPU it uses, or may use, was not seen")
        elif cpu.over_s < limits.least_over_s:
            young = answer.watched_s is not None and answer.watched_s < limits.least_over_s + _SLACK_S
            why = f"its CPU use was seen over less than {limits.least_over_s:g} s"
            yield Unjudged(where=where, why=why, again_in_s=1.0 if young else None)
        elif (share := cpu.cores_used / cpu.allowed_cpus) >= limits.busy_share:
            title = f"uses {cpu.cores_used:.3g} cores of {cpu.allowed_cpus} ({percent(share)})"
            yield Hit(where=where, title=title, evidence=tuple(_facts(cpu, answer, limits)))
        elif cpu.share_of_quota is not None and cpu.share_of_quota >= limits.busy_share:
            title = f"uses {percent(cpu.share_of_quota)} of its CPU quota"
            yield Hit(where=where, title=title, evidence=tuple(_facts(cpu, answer, limits)))


def _facts(cpu: Cpu, answer: Resources, limits: SaturatedLimits) -> Iterator[Fact]:
    yield Fact(what="CPU used", value=cpu.cores_used, unit="cores", limit=cpu.allowed_cpus)
    yield Fact(what="over", value=cpu.over_s, unit="s")
    if cpu.share_of_quota is not None:
        yield Fact(what="share of the quota", value=cpu.share_of_quota, unit="share", limit=limits.busy_share)
    if answer.pressure is not None and answer.pressure.cpu is not None:
        scope = answer.pressure.scope.value
        yield Fact(what=f"waiting for CPU ({scope}, 10 s)", value=answer.pressure.cpu.some_avg10, unit="share")
    if answer.host is not None:
        yield Fact(what="load of the host (1 min)", value=answer.host.load_1m, limit=answer.host.cpus)
