"""nats-credentials-changed: the credentials of the service were good, and a NATS server refuses them now."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut
from diagmesh_rules._nats_ended import why_not_told
from diagmesh_rules._nats_rotated import rotated

__all__ = ["nats_credentials_changed"]

_WAYS: Final = frozenset({DoorVerdict.CREDENTIALS_REFUSED})


@rule(
    "NATS-018",
    "Credentials were changed",
    severity=Severity.ERROR,
    issue=FindingClass.CONFIGURATION,
    reads=(Connection,),
)
def nats_credentials_changed(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Credentials with which the service was connected stay good."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
            continue
        where, answer, doors = one
        if doors and answer.ended is None:
            yield Unjudged(where=where, why=why_not_told(answer))
        elif doors and rotated(answer):
            role = doors[0].auth.role or "the user"
            yield hit(where, answer, doors, f"{role} was connected a moment ago, and is refused now")
