"""memory-growing: the memory of an instance grows and will meet its limit before long."""

from collections.abc import Iterator

from diagmesh.contract.answers.resources import Resources, ToLimit, Trend
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._usage import Unseen, Until, Watch, growth, meets_limit, memory_left, near_memory_limit, no_trend
from diagmesh_rules._words import duration, size

__all__ = ["GrowthLimits", "memory_growing"]


class GrowthLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which growth is worth telling.

    Args:
        horizon_s: it would meet its limit within this time.
        error_s: within this time it is an error.
        least_over_s: it was watched for so long; a start grows, too.
        grown_share: of its resident size, by which it surely grew in that time.
        near_share: so near to the limit, RES-003 tells it instead.
    """

    horizon_s: float = 14_400.0
    error_s: float = 900.0
    least_over_s: float = 60.0
    grown_share: float = 0.05
    near_share: float = 0.9


@rule(
    "RES-004",
    "Memory grows towards its limit",
    severity=Severity.WARNING,
    issue=FindingClass.MEMORY_LEAK,
    reads=(Resources,),
    limits=GrowthLimits(),
)
def memory_growing(seen: Evidence, limits: GrowthLimits) -> Iterator[Hit | Unjudged]:
    """The memory of no instance grows so that it meets its limit within hours."""
    for where, answer in seen.each(Resources):
        trend, rss = answer.memory.trend, answer.memory.rss_bytes
        if near_memory_limit(answer, limits.near_share):
            continue
        if trend is None or rss is None:
            yield no_trend(answer, "its memory", "memory").at(where)
            continue
        if growth(trend) < limits.grown_share * rss:
            continue
        until = Until("its memory", memory_left(answer), "memory limit")
        limit = meets_limit(answer, trend, until, Watch(limits.horizon_s, limits.least_over_s))
        if isinstance(limit, Unseen):
            yield limit.at(where)
        elif limit is not None:
            title = f"memory grows by {size(60 * trend.slope)}/min, {limit.limit} met in {duration(limit.likely_s)}"
            severity = Severity.ERROR if limit.likely_s <= limits.error_s else Severity.WARNING
            yield Hit(where=where, title=title, evidence=tuple(_facts(trend, limit, rss, limits)), severity=severity)


def _facts(trend: Trend, limit: ToLimit, rss: int, limits: GrowthLimits) -> Iterator[Fact]:
    yield Fact(what="resident", value=rss, unit="bytes")
    yield Fact(what="slope", value=trend.slope, unit="bytes/s")
    yield Fact(what="slope, at least (95 %)", value=trend.slope_low, unit="bytes/s")
    yield Fact(what="watched for", value=trend.over_s, unit="s")
    yield Fact(what=f"left until {limit.limit}", value=limit.headroom, unit="bytes")
    yield Fact(what="time left, likely", value=limit.likely_s, unit="s", limit=limits.horizon_s)
    yield Fact(what="time left, at the earliest", value=limit.earliest_s, unit="s")
