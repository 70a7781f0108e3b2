"""restart-loop: a process is started again and again and never runs for long."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.health import Health
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._ending import crash, ending_facts, how_it_ended, restarts, restarts_lately
from diagmesh_rules._process import Standing, standing, why_blind
from diagmesh_rules._words import duration

__all__ = ["LoopLimits", "restart_loop"]

_SAME_EVENT: Final = ("PROC-001", "PROC-004", "PROC-007")


class LoopLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as a loop.

    Args:
        recent_s: a process that runs longer has settled; longer than the pause of Kubernetes between crashes (300 s).
        loop_count: so many restarts within an hour, the last of them recent, are a loop.
    """

    recent_s: float = 600.0
    loop_count: int = 3


@rule(
    "PROC-008",
    "Process is in a restart loop",
    severity=Severity.ERROR,
    issue=FindingClass.CRASH,
    reads=(Health,),
    limits=LoopLimits(),
)
def restart_loop(seen: Evidence, limits: LoopLimits) -> Iterator[Hit | Unjudged]:
    """No process is started again and again without running for long."""
    for where, health in seen.each(Health):
        stands = standing(health)
        if stands is Standing.BLIND:
            yield Unjudged(where=where, why=why_blind(health))
        elif restarts_lately(health) < limits.loop_count or _ran_long(health, limits):
            continue
        elif stands is Standing.GONE and health.last_exit is not None and health.last_exit.restart_at is not None:
            yield _hit(where, health, limits, "between two starts")
        elif stands is Standing.THERE and health.uptime_s is None:
            yield Unjudged(where=where, why="when its process started could not be seen")
        elif stands is Standing.THERE and health.uptime_s is not None and health.uptime_s < limits.recent_s:
            yield _hit(where, health, limits, f"last {duration(health.uptime_s)} ago")


def _ran_long(health: Health, limits: LoopLimits) -> bool:
    """Whether the one before is known to have run for long: then it is one crash, whatever was before that."""
    last = health.last_exit
    return last is not None and last.uptime_s is not None and last.uptime_s >= limits.recent_s


def _hit(where: Key, health: Health, limits: LoopLimits, when: str) -> Hit:
    last = crash(health)
    why = f"; the one before {how_it_ended(last)}" if last is not None else ""
    count = restarts_lately(health)
    title = f"restarted {'once' if count == 1 else f'{count} times'} in the last hour, {when}{why}"
    return Hit(where=where, title=title, evidence=_facts(health, limits), instead_of=_SAME_EVENT)


def _facts(health: Health, limits: LoopLimits) -> tuple[Fact, ...]:
    facts = [
        Fact(what="restarts in the last hour", value=restarts_lately(health), unit="count", limit=limits.loop_count),
        Fact(what="restarts", value=restarts(health), unit="count"),
    ]
    if health.uptime_s is not None:
        facts.append(Fact(what="uptime", value=health.uptime_s, unit="s", limit=limits.recent_s))
    if health.last_exit is not None:
        facts += ending_facts(health.last_exit)
    return tuple(facts)
