"""goroutine-leak: goroutines are started at one place and never end, more and more of them."""

from collections.abc import Iterator

from diagmesh.contract.answers.goroutines import Goroutines, Growth
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._goroutines import at, many
from diagmesh_rules._words import moment, number

__all__ = ["LeakLimits", "goroutine_leak"]


class LeakLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which growth is a leak.

    Args:
        grown_count: by so many they grew at one place of creation.
        least_over_s: in so long at least.
        rises_count: and were more than before at so many looks, at none of them fewer.
        waiting_share: of them wait, where that is known: those that work will end.
        error_count: so many are an error.
        leaked_count: so many that nothing can wake, by Go's own leak profile.
    """

    grown_count: int = 20
    least_over_s: float = 10.0
    rises_count: int = 2
    waiting_share: float = 0.9
    error_count: int = 10_000
    leaked_count: int = 10


@rule(
    "GO-001",
    "Goroutines leak",
    severity=Severity.WARNING,
    issue=FindingClass.MEMORY_LEAK,
    reads=(Goroutines,),
    limits=LeakLimits(),
)
def goroutine_leak(seen: Evidence, limits: LeakLimits) -> Iterator[Hit | Unjudged]:
    """Goroutines that are started come to an end: their number goes up and down, not up alone."""
    for where, answer in seen.each(Goroutines):
        leaked = sum(one.count for one in answer.leaks or ())
        steady = [one for one in answer.growth if _grows(one, answer, limits)]
        sure = [one for one in steady if one.over_s >= limits.least_over_s and one.rises >= limits.rises_count]
        if sure:
            yield _grown(where, answer, sure, leaked, limits)
        elif leaked >= limits.leaked_count:
            yield _leaked(where, answer, leaked, limits)
        elif steady:
            left_s = max(1.0, limits.least_over_s - max(one.over_s for one in steady))
            yield Unjudged(
                where=where, why="goroutines of one place became more, not seen often yet", again_in_s=left_s
            )
        elif (answer.watched_s or 0.0) < limits.least_over_s:
            left_s = limits.least_over_s - (answer.watched_s or 0.0)
            yield Unjudged(where=where, why="its goroutines were not watched long enough", again_in_s=left_s)


def _grows(one: Growth, answer: Goroutines, limits: LeakLimits) -> bool:
    waits = one.waiting >= limits.waiting_share * one.count or not answer.states
    return one.count - one.before >= limits.grown_count and waits


def _grown(where: Key, answer: Goroutines, sure: list[Growth], leaked: int, limits: LeakLimits) -> Hit:
    worst = sure[0]
    started = "started at" if answer.states else "at"
    rate = f"growing {number(worst.per_second)}/s{_since(worst, answer)}"
    title = f"{many(worst.count)} {started} {at(worst.site)}, {rate}"
    facts = [
        Fact(what=f"goroutines {started} {at(one.site)} (before: {one.before:,})", value=one.count, unit="count")
        for one in sure[:3]
    ]
    facts.append(Fact(what="growth", value=worst.per_second, unit="per s"))
    facts.append(Fact(what="watched for", value=worst.over_s, unit="s"))
    if worst.place is not None:
        facts.append(Fact(what="most of them are at", value=at(worst.place)))
    if leaked:
        facts.append(Fact(what="nothing can wake (Go's leak profile)", value=leaked, unit="count"))
    facts.append(Fact(what="goroutines", value=answer.total, unit="count"))
    severity = Severity.ERROR if answer.total >= limits.error_count else Severity.WARNING
    return Hit(where=where, title=title, evidence=tuple(facts), severity=severity)


def _since(one: Growth, answer: Goroutines) -> str:
    """When it began; what was many already when it was first looked at began earlier than that."""
    if one.since is None:
        return ""
    return f" since {moment(one.since)}{' or earlier' if one.before and one.looks >= answer.looks else ''}"


def _leaked(where: Key, answer: Goroutines, leaked: int, limits: LeakLimits) -> Hit:
    first = (answer.leaks or ())[0]
    title = f"{many(leaked)} that nothing can wake any more, most of them at {at(first.place)}"
    facts = tuple(
        Fact(what=f"leaked at {at(one.place)}", value=one.count, unit="count") for one in (answer.leaks or ())[:3]
    )
    total = Fact(what="leaked", value=leaked, unit="count", limit=limits.leaked_count)
    severity = Severity.ERROR if leaked >= limits.error_count else Severity.WARNING
    return Hit(where=where, title=title, evidence=(total, *facts), severity=severity)
