"""crashed: the process of an instance ended in a way that it should not, and its launcher saw how."""

from collections.abc import Iterator

from diagmesh.contract.answers.health import Health, LastExit
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._ending import crash, ending_facts, how_it_ended, restarts
from diagmesh_rules._process import Standing, standing, why_blind
from diagmesh_rules._words import duration

__all__ = ["CrashLimits", "crashed"]


class CrashLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which crash is worth telling.

    Args:
        recent_s: a process that runs longer since then has settled.
    """

    recent_s: float = 600.0


@rule(
    "PROC-007",
    "Process crashed",
    severity=Severity.ERROR,
    issue=FindingClass.CRASH,
    reads=(Health,),
    limits=CrashLimits(),
)
def crashed(seen: Evidence, limits: CrashLimits) -> Iterator[Hit | Unjudged]:
    """No process panicked, was killed or failed a short time ago."""
    for where, health in seen.each(Health):
        stands, last = standing(health), crash(health)
        if stands is Standing.BLIND:
            yield Unjudged(where=where, why=why_blind(health))
        elif last is None:
            continue
        elif stands is Standing.GONE:
            again = last.restart_at is not None
            words = "its launcher starts it again" if again else "it is not started again"
            severity = Severity.ERROR if again else Severity.CRITICAL
            title = f"{how_it_ended(last)}; {words}"
            yield Hit(where=where, title=title, evidence=_facts(health, last), severity=severity)
        elif health.uptime_s is None:
            yield Unjudged(where=where, why="when its process started could not be seen")
        elif stands is Standing.THERE and health.uptime_s < limits.recent_s:
            title = f"{how_it_ended(last)}; it was started again {duration(health.uptime_s)} ago"
            yield Hit(where=where, title=title, evidence=_facts(health, last, limits))


def _facts(health: Health, last: LastExit, limits: CrashLimits | None = None) -> tuple[Fact, ...]:
    facts = [*ending_facts(last), Fact(what="restarts", value=restarts(health), unit="count")]
    if limits is not None:
        facts.append(Fact(what="uptime", value=health.uptime_s, unit="s", limit=limits.recent_s))
    return tuple(facts)
