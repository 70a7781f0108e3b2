"""cpu-throttled: an instance has to wait because its CPU quota is used up."""

from collections.abc import Iterator

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import Cpu, CpuLately, Resources
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._usage import blind_words, cpu_too_short
from diagmesh_rules._words import percent

__all__ = ["ThrottledLimits", "cpu_throttled"]


class ThrottledLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much waiting for the quota is too much.

    Args:
        throttled_share: of the quota's periods in which it had to wait.
        error_share: from here it is an error.
        least_over_s: a shorter time may be a burst: one of the ten periods of a second is a tenth.
    """

    throttled_share: float = 0.1
    error_share: float = 0.5
    least_over_s: float = 10.0


@rule(
    "RES-002",
    "CPU is throttled",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Resources,),
    limits=ThrottledLimits(),
)
def cpu_throttled(seen: Evidence, limits: ThrottledLimits) -> Iterator[Hit | Unjudged]:
    """No instance has to wait for the next period of its CPU quota."""
    for where, answer in seen.each(Resources):
        cpu, lately = answer.cpu, answer.cpu.lately
        share = lately.throttled_share if lately is not None else None
        if cpu.throttled_share is None:
            if cpu.cgroup is None or cpu.cgroup.bound is not Bound.UNLIMITED:
                words = "whether a CPU quota stops it was not seen"
                yield Unjudged(where=where, why=blind_words(answer, "cgroup", words))
        elif lately is None or share is None or lately.over_s < limits.least_over_s:
            if cpu.throttled_share >= limits.throttled_share:
                yield cpu_too_short(answer, limits.least_over_s).at(where)
        elif share >= limits.throttled_share:
            quota = cpu.cgroup.quota_cores if cpu.cgroup is not None else None
            of = f" of {quota:g} cores" if quota is not None else ""
            yield Hit(
                where=where,
                title=f"stopped by its CPU quota{of} in {percent(share)} of the periods",
                evidence=tuple(_facts(cpu, lately, limits)),
                severity=Severity.ERROR if share >= limits.error_share else Severity.WARNING,
            )


def _facts(cpu: Cpu, lately: CpuLately, limits: ThrottledLimits) -> Iterator[Fact]:
    yield Fact(what="throttled periods", value=lately.throttled_share, unit="share", limit=limits.throttled_share)
    yield Fact(what="over", value=lately.over_s, unit="s")
    if cpu.cgroup is not None and cpu.cgroup.quota_cores is not None:
        yield Fact(what="CPU quota", value=cpu.cgroup.quota_cores, unit="cores")
    yield Fact(what="CPU used by the process", value=lately.cores_used, unit="cores")
