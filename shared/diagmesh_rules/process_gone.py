"""process-gone: the process of an instance is not there."""

from collections.abc import Iterator

from diagmesh.contract.answers.health import ExitReason, Health
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._ending import crash, ending_facts
from diagmesh_rules._process import Standing, process_check, standing, why_blind
from diagmesh_rules._words import moment

__all__ = ["process_gone"]


@rule("PROC-001", "Process is gone", severity=Severity.CRITICAL, issue=FindingClass.CRASH, reads=(Health,))
def process_gone(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """The process of every instance is there."""
    for where, health in seen.each(Health):
        match standing(health):
            case Standing.GONE if crash(health) is None:  # else PROC-007 tells it, with how it ended
                yield Hit(where=where, title=_title(health), evidence=tuple(_facts(health)))
            case Standing.BLIND:
                yield Unjudged(where=where, why=why_blind(health))


def _title(health: Health) -> str:
    check = process_check(health)
    words = (check.reason if check is not None else "") or "no process fits"
    return f"{words}, after {health.restarts_seen} restarts" if health.restarts_seen else words


def _facts(health: Health) -> Iterator[Fact]:
    check = process_check(health)
    if check is not None and check.target:
        yield Fact(what="looked for", value=check.target)
    if health.process_state is not None:
        yield Fact(what="process state", value=health.process_state.value)
    if health.last_exit is not None and health.last_exit.reason is not ExitReason.UNKNOWN:
        yield from ending_facts(health.last_exit)
    elif health.last_exit is not None and health.last_exit.last_seen is not None:
        yield Fact(what="last seen", value=moment(health.last_exit.last_seen))
    yield Fact(what="restarts seen", value=health.restarts_seen, unit="count")
