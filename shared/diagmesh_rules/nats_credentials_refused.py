"""nats-credentials-refused: a NATS server does not accept the credentials of the service."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut
from diagmesh_rules._nats_rotated import rotated

__all__ = ["nats_credentials_refused"]

_WAYS: Final = frozenset({DoorVerdict.CREDENTIALS_REFUSED})


@rule(
    "NATS-007",
    "Credentials are refused",
    severity=Severity.ERROR,
    issue=FindingClass.CONFIGURATION,
    reads=(Connection,),
)
def nats_credentials_refused(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Every server accepts the credentials of the service."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
        elif one[2] and not rotated(one[1]):  # else NATS-018 says more
            where, answer, doors = one
            role = doors[0].auth.role or "whoever has no credentials"
            yield hit(where, answer, doors, f"{role} is not let in: {doors[0].reason}")
