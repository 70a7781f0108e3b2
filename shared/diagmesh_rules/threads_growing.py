"""threads-growing: an instance has many more threads than usual, or more and more, or hardly any left."""

from collections.abc import Iterator

from msgspec.structs import replace

from diagmesh.contract.answers.resources import Resources, Threads
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._usage import Unseen, Until, Watch, growth, meets_limit, no_trend
from diagmesh_rules._words import duration, number, percent

__all__ = ["ThreadLimits", "threads_growing"]


class ThreadLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which growth is worth telling.

    Args:
        horizon_s: it would meet its limit within this time.
        error_s: within this time it is an error.
        least_over_s: it was watched for so long; a start makes threads, too.
        grown_count: by so many it surely grew in that time.
        step_count: so many more than usual are told whatever comes next.
        step_times: if they are so many times the usual, too.
        settled_s: a step up in a younger process may be its start, if that takes more than a quarter of its life.
        near_share: of the limit: an error.
        most_count: a limit for all; the runtime of Go ends a program with more.
    """

    horizon_s: float = 14_400.0
    error_s: float = 900.0
    least_over_s: float = 60.0
    grown_count: int = 20
    step_count: int = 50
    step_times: float = 1.5
    settled_s: float = 120.0
    near_share: float = 0.9
    most_count: int = 10_000


@rule(
    "RES-009",
    "Threads pile up",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Resources,),
    limits=ThreadLimits(),
)
def threads_growing(seen: Evidence, limits: ThreadLimits) -> Iterator[Hit | Unjudged]:
    """The threads of every instance stay about as many as usual, far from their limit."""
    for where, answer in seen.each(Resources):
        told = answer.threads
        if told.count is None:
            yield Unjudged(where=where, why="how many threads it has could not be seen")
            continue
        grows, step = _growth(where, answer, told.count, limits), _step(told, told.count, limits)
        young_s = limits.settled_s - answer.process.uptime_s
        if words := _near(told, told.count, limits):
            yield _hit(where, told, limits, words, Severity.ERROR)
        elif isinstance(grows, Hit):
            yield grows
        elif step and young_s > 0:
            why = f"it has more threads than before, but runs for less than {limits.settled_s:g} s"
            yield Unjudged(where=where, why=why, again_in_s=young_s)
        elif step:
            yield _hit(where, told, limits, step, Severity.WARNING)
        elif grows is not None:
            yield grows


def _near(told: Threads, count: int, limits: ThreadLimits) -> str:
    """Words for one that has hardly any left; empty for others."""
    group = told.cgroup
    if group is not None and group.share_of_limit is not None and group.share_of_limit >= limits.near_share:
        return f"tasks of its cgroup at {percent(group.share_of_limit)} of their limit ({count} threads are its own)"
    most = min(limits.most_count, told.soft_limit or limits.most_count)
    return f"has {count} of {most} threads" if count >= limits.near_share * most else ""


def _step(told: Threads, count: int, limits: ThreadLimits) -> str:
    """Words for one that has many more than usual; empty for others, and where the usual is not known yet."""
    if told.usual is None or count - told.usual < limits.step_count or count < limits.step_times * told.usual:
        return ""
    return f"has {count} threads, {count - told.usual} more than usual"


def _growth(where: Key, answer: Resources, count: int, limits: ThreadLimits) -> Hit | Unjudged | None:
    told, trend = answer.threads, answer.threads.trend
    if trend is None:
        return no_trend(answer, "its threads", "threads").at(where)
    if growth(trend) < limits.grown_count:
        return None
    until = Until("its threads", limits.most_count - count, f"limit of {limits.most_count} threads")
    if trend.to_limit is not None and trend.to_limit.headroom > limits.most_count - count:
        trend = replace(trend, to_limit=None)  # ours comes first
    limit = meets_limit(answer, trend, until, Watch(limits.horizon_s, limits.least_over_s))
    if limit is None or isinstance(limit, Unseen):
        return limit and limit.at(where)
    per_minute = f"{number(60 * trend.slope)}/min"
    words = f"threads grow by {per_minute}, {count} now, {limit.limit} met in {duration(limit.likely_s)}"
    return _hit(where, told, limits, words, Severity.ERROR if limit.likely_s <= limits.error_s else Severity.WARNING)


def _hit(where: Key, told: Threads, limits: ThreadLimits, words: str, severity: Severity) -> Hit:
    facts = [Fact(what="threads", value=told.count, unit="count", limit=told.soft_limit or limits.most_count)]
    if told.usual is not None:
        facts.append(Fact(what="usual", value=told.usual, unit="count"))
    if told.cgroup is not None and told.cgroup.current is not None:
        facts.append(Fact(what="tasks of the cgroup", value=told.cgroup.current, unit="count", limit=told.cgroup.limit))
    if told.trend is not None:
        facts.append(Fact(what="slope", value=told.trend.slope, unit="count/s"))
        facts.append(Fact(what="slope, at least (95 %)", value=told.trend.slope_low, unit="count/s"))
        facts.append(Fact(what="watched for", value=told.trend.over_s, unit="s"))
    return Hit(where=where, title=words, evidence=tuple(facts), severity=severity)
