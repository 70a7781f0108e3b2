"""memory-near-limit: the memory of an instance is nearly all that its cgroup may use."""

from collections.abc import Iterator

from diagmesh.contract.answers.cgroup import Bound, CgroupMemory
from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._usage import blind_words
from diagmesh_rules._words import percent, size

__all__ = ["MemoryLimits", "memory_near_limit"]


class MemoryLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How near is too near: working set to limit.

    Args:
        near_share: from here it is a warning.
        error_share: from here it is an error: the next larger request may be killed.
    """

    near_share: float = 0.9
    error_share: float = 0.97


@rule(
    "RES-003",
    "Memory is near its limit",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Resources,),
    limits=MemoryLimits(),
)
def memory_near_limit(seen: Evidence, limits: MemoryLimits) -> Iterator[Hit | Unjudged]:
    """The working set of every instance stays well below the memory limit of its cgroup."""
    for where, answer in seen.each(Resources):
        group = answer.memory.cgroup
        share = group.share_of_limit if group is not None else None
        if group is None or share is None:
            if group is None or group.bound is not Bound.UNLIMITED:
                words = "whether a memory limit stands, and how near it is, was not seen"
                yield Unjudged(where=where, why=blind_words(answer, "cgroup", words))
        elif share >= limits.near_share:
            left = f", {size(group.headroom_bytes)} left" if group.headroom_bytes is not None else ""
            yield Hit(
                where=where,
                title=f"memory at {percent(share)} of its limit{left}",
                evidence=tuple(_facts(group, answer, limits)),
                severity=Severity.ERROR if share >= limits.error_share else Severity.WARNING,
            )


def _facts(group: CgroupMemory, answer: Resources, limits: MemoryLimits) -> Iterator[Fact]:
    at = f" (at {group.share_at})" if group.share_at else ""
    yield Fact(what=f"share of the limit{at}", value=group.share_of_limit, unit="share", limit=limits.near_share)
    if group.working_set_bytes is not None:
        limit = group.limit_bytes
        yield Fact(what="working set of the cgroup", value=group.working_set_bytes, unit="bytes", limit=limit)
    if answer.memory.rss_bytes is not None:
        yield Fact(what="resident, of the process", value=answer.memory.rss_bytes, unit="bytes")
    trend = answer.memory.trend
    if trend is not None and trend.to_limit is not None:
        yield Fact(what=f"until {trend.to_limit.limit}", value=trend.to_limit.likely_s, unit="s")
    if group.events is not None and group.events.oom_kill:
        yield Fact(what="processes killed for memory", value=group.events.oom_kill, unit="count")
