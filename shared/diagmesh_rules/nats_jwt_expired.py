"""nats-jwt-expired: the JWT of the service has expired, or will soon."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection, Door, DoorVerdict
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, unseen

__all__ = ["nats_jwt_expired"]


@rule(
    "NATS-008",
    "JWT of the service has expired",
    severity=Severity.ERROR,
    issue=FindingClass.CONFIGURATION,
    reads=(Connection,),
)
def nats_jwt_expired(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """The JWT of the service is valid."""
    for where, answer in seen.each(Connection):
        blind = unseen(where, answer)
        if blind is not None:
            yield blind
        elif _ended_for_it(answer):
            continue  # NATS-019 says so
        elif doors := tuple(door for door in answer.doors if door.verdict is DoorVerdict.JWT_EXPIRED):
            found = hit(where, answer, doors, doors[0].reason)
            yield Hit(
                where=where, title=found.title, severity=found.severity, evidence=(*_ends(doors), *found.evidence)
            )


def _ended_for_it(answer: Connection) -> bool:
    return any(one.lately and "Authentication Expired" in one.reason for one in answer.ended or ())


def _ends(doors: tuple[Door, ...]) -> Iterator[Fact]:
    for door in doors:
        if door.auth.expires_at is not None:
            yield Fact(what="the JWT ended at", value=f"{door.auth.expires_at:%Y-%m-%d %H:%M:%S} UTC", at=door.url)
