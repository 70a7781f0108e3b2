"""nats-lame-duck: a NATS server takes nobody in any more and sends away whom it has, one by one."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import door_facts, stopping, unseen

__all__ = ["nats_lame_duck"]


@rule(
    "NATS-016",
    "NATS server is about to stop",
    severity=Severity.WARNING,
    issue=FindingClass.DEPLOYMENT,
    reads=(Connection,),
)
def nats_lame_duck(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """No server of the service is in lame duck mode."""
    for where, answer in seen.each(Connection):
        blind = unseen(where, answer)
        if blind is not None:
            yield blind
            continue
        doors = [door for door in answer.doors if stopping(door)]
        if doors:
            others = sum(door.verdict is DoorVerdict.OPEN and not stopping(door) for door in answer.doors)
            rest = f"{others} others can be used" if others else "no other server is in the list"
            yield Hit(
                where=where,
                title=f"{doors[0].url} is about to stop (lame duck); {rest}",
                severity=Severity.WARNING if others else Severity.ERROR,
                evidence=tuple(fact for door in doors for fact in door_facts(door)),
            )
