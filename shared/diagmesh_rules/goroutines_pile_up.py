"""goroutines-pile-up: many goroutines wait for one lock, or for somebody to take what they send."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.goroutines import Goroutines, Holder, HolderWhy, Waited, WaitedKind
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._goroutines import ONLY_COUNTS, at, many
from diagmesh_rules._words import duration

__all__ = ["PileUpLimits", "goroutines_pile_up"]

_LOCKS: Final = frozenset({WaitedKind.MUTEX, WaitedKind.RWMUTEX})
_WHY: Final = {
    HolderWhy.ARGUMENT: "it was called with this lock",
    HolderWhy.RECEIVER: "it is in a method of the same object",
    HolderWhy.SELF: "it waits inside of two methods of the object itself",
}


class PileUpLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many are a pile.

    Args:
        many_count: so many that wait for one lock are one, when they are seen again after a moment.
        few_count: so many are one, too, when they wait for long.
        few_s: so long.
        senders_count: so many that want to send at one place, and wait for that long.
        error_s: when some wait for so long, it is an error.
    """

    many_count: int = 20
    few_count: int = 2
    few_s: float = 10.0
    senders_count: int = 20
    error_s: float = 60.0


@rule(
    "GO-002",
    "Goroutines pile up",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Goroutines,),
    limits=PileUpLimits(),
)
def goroutines_pile_up(seen: Evidence, limits: PileUpLimits) -> Iterator[Hit | Unjudged]:
    """Whoever wants a lock, or wants to send, gets it in a moment."""
    for where, answer in seen.each(Goroutines):
        if not answer.states:
            yield Unjudged(where=where, why=ONLY_COUNTS)
            continue
        piles = [one for one in answer.waited if _many(one, limits)]
        stuck = [one for one in piles if _stays(one, limits)]
        if stuck:
            yield _hit(where, max(stuck, key=lambda one: (one.waiters, _age_s(one))), limits)
        elif piles:
            yield Unjudged(where=where, why="goroutines wait for one lock, and were seen once only", again_in_s=2.0)


def _many(one: Waited, limits: PileUpLimits) -> bool:
    if one.kind in _LOCKS:
        return one.waiters >= limits.few_count
    return one.state.startswith("chan send") and one.waiters >= limits.senders_count


def _stays(one: Waited, limits: PileUpLimits) -> bool:
    """Whether they wait on, instead of going through one after the other."""
    many = one.kind in _LOCKS and one.waiters >= limits.many_count and one.still >= limits.many_count // 2
    return many or (_age_s(one) >= limits.few_s and (one.still >= limits.few_count or _old(one, limits)))


def _old(one: Waited, limits: PileUpLimits) -> bool:
    return one.age is not None and one.age.median_s >= limits.few_s


def _age_s(one: Waited) -> float:
    return max(one.seen_s or 0.0, one.age.max_s if one.age is not None else 0)


def _hit(where: Key, one: Waited, limits: PileUpLimits) -> Hit:
    age_s = _age_s(one)
    what = f"one {one.kind}" if one.kind in _LOCKS else "somebody to receive"
    waits = "waits" if one.waiters == 1 else "wait"
    holder = one.holders[0] if one.holders else None
    held = f", which goroutine {holder.goroutine} seems to hold: {at(holder.frame)}" if holder else ""
    how_long = f" for {duration(age_s)}" if age_s else ""
    title = f"{many(one.waiters)} {waits} for {what} in {at(one.frame)}{how_long}{held}"
    facts = [
        Fact(what=f"wait for {what}", value=one.waiters, unit="count", limit=limits.few_count),
        Fact(what="for", value=round(age_s, 1), unit="s", limit=limits.few_s),
        Fact(what="wait in", value=at(one.frame)),
        *([Fact(what="lock", value=one.address)] if one.address else []),
        *(Fact(what="seems to hold it (inferred)", value=_words(each)) for each in one.holders[:2]),
        *(Fact(what="started at", value=at(frame)) for frame in one.creators[:2]),
    ]
    severity = Severity.ERROR if age_s >= limits.error_s else Severity.WARNING
    return Hit(where=where, title=title, evidence=tuple(facts), severity=severity)


def _words(holder: Holder) -> str:
    return f"goroutine {holder.goroutine} ({holder.state}), {at(holder.frame)}: {_WHY[holder.why]}"
