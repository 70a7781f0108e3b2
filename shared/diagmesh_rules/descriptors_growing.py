"""descriptors-growing: an instance holds more and more file descriptors and will meet its limit before long."""

from collections.abc import Iterator

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import Descriptors, Resources, ToLimit, Trend
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._usage import Unseen, Until, Watch, dead_share, growth, meets_limit, no_trend
from diagmesh_rules._words import duration, number

__all__ = ["DescriptorGrowthLimits", "descriptors_growing"]


class DescriptorGrowthLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which growth is worth telling.

    Args:
        horizon_s: it would meet its limit within this time.
        error_s: within this time it is an error.
        least_over_s: it was watched for so long; a start opens files, too.
        grown_count: by so many it surely grew in that time.
        near_share: so near to the limit, RES-005 tells it instead.
        dead_share: where so much of it are connections that the program does not close, RES-008 tells it instead.
    """

    horizon_s: float = 14_400.0
    error_s: float = 900.0
    least_over_s: float = 60.0
    grown_count: int = 20
    near_share: float = 0.8
    dead_share: float = 0.5


@rule(
    "RES-006",
    "File descriptors grow towards their limit",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Resources,),
    limits=DescriptorGrowthLimits(),
)
def descriptors_growing(seen: Evidence, limits: DescriptorGrowthLimits) -> Iterator[Hit | Unjudged]:
    """The descriptors of no instance grow so that they meet their limit within hours."""
    for where, answer in seen.each(Resources):
        told = answer.descriptors
        if (told.share_of_limit or 0.0) >= limits.near_share or dead_share(answer) >= limits.dead_share:
            continue
        if told.held is None or told.trend is None:
            yield no_trend(answer, "its descriptors", "descriptors").at(where)
            continue
        if growth(told.trend) < limits.grown_count or told.bound is Bound.UNLIMITED:
            continue
        left = None if told.soft_limit is None else told.soft_limit - told.held
        until = Until("its descriptors", left, "soft limit of descriptors")
        limit = meets_limit(answer, told.trend, until, Watch(limits.horizon_s, limits.least_over_s))
        if isinstance(limit, Unseen):
            yield limit.at(where)
        elif limit is not None:
            title = (
                f"file descriptors grow by {number(60 * told.trend.slope)}/min, "
                f"{told.held} of {told.soft_limit} held, limit met in {duration(limit.likely_s)}"
            )
            severity = Severity.ERROR if limit.likely_s <= limits.error_s else Severity.WARNING
            yield Hit(where=where, title=title, evidence=_facts(told, told.trend, limit, limits), severity=severity)


def _facts(told: Descriptors, trend: Trend, limit: ToLimit, limits: DescriptorGrowthLimits) -> tuple[Fact, ...]:
    return (
        Fact(what="descriptors held", value=told.held, unit="count", limit=told.soft_limit),
        Fact(what="slope", value=trend.slope, unit="count/s"),
        Fact(what="slope, at least (95 %)", value=trend.slope_low, unit="count/s"),
        Fact(what="watched for", value=trend.over_s, unit="s"),
        Fact(what="time left, likely", value=limit.likely_s, unit="s", limit=limits.horizon_s),
        Fact(what="time left, at the earliest", value=limit.earliest_s, unit="s"),
    )
