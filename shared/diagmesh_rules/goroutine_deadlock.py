"""goroutine-deadlock: goroutines wait in a circle, each for a lock that the next one seems to hold."""

from collections.abc import Iterator

from diagmesh.contract.answers.goroutines import Cycle, Goroutines
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._goroutines import ONLY_COUNTS, at, many
from diagmesh_rules._words import duration

__all__ = ["DeadlockLimits", "goroutine_deadlock"]


class DeadlockLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a circle is believed.

    Args:
        least_s: for so long nobody has got one of its locks.
    """

    least_s: float = 5.0


@rule(
    "GO-003",
    "Goroutines wait in a circle",
    severity=Severity.ERROR,
    issue=FindingClass.LOGIC_ERROR,
    reads=(Goroutines,),
    limits=DeadlockLimits(),
)
def goroutine_deadlock(seen: Evidence, limits: DeadlockLimits) -> Iterator[Hit | Unjudged]:
    """No goroutine waits for a lock whose holder waits for it."""
    for where, answer in seen.each(Goroutines):
        if not answer.states:
            yield Unjudged(where=where, why=ONLY_COUNTS)
            continue
        lasting = [one for one in answer.cycles if _age_s(one) >= limits.least_s]
        if lasting:
            yield _hit(where, max(lasting, key=_age_s), limits)
        elif answer.cycles:
            left_s = max(1.0, limits.least_s - max(map(_age_s, answer.cycles)))
            yield Unjudged(where=where, why="goroutines seem to wait in a circle, and not for long", again_in_s=left_s)


def _age_s(cycle: Cycle) -> float:
    return max(cycle.seen_s or 0.0, cycle.waits_s)


def _hit(where: Key, cycle: Cycle, limits: DeadlockLimits) -> Hit:
    steps, age_s = cycle.steps, _age_s(cycle)
    places = " and ".join(at(step.frame) for step in steps[:3])
    alone = len(steps) == 1
    who = (
        "a goroutine waits for a lock that it seems to hold itself" if alone else f"{many(len(steps))} wait in a circle"
    )
    behind = f", {many(cycle.held_up)} behind them" if cycle.held_up else ""
    facts = [Fact(what="in the circle", value=len(steps), unit="count")]
    for number, step in enumerate(steps[:6]):
        holder = steps[(number + 1) % len(steps)].goroutine
        words = f"for lock {step.waits_for}, which {holder} seems to hold (inferred), in {at(step.frame)}"
        facts.append(Fact(what=f"goroutine {step.goroutine} waits", value=words))
    facts.append(Fact(what="all of them wait for", value=round(age_s, 1), unit="s", limit=limits.least_s))
    facts.append(Fact(what="wait behind them", value=cycle.held_up, unit="count"))
    title = f"{who} for {duration(age_s)}: {places}{behind}"
    return Hit(where=where, title=title, evidence=tuple(facts), instead_of=("GO-002",))
