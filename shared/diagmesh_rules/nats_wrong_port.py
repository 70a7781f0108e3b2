"""nats-wrong-port: a URL of the service leads to a port that is none for NATS clients."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut

__all__ = ["nats_wrong_port"]

_WAYS: Final = frozenset({DoorVerdict.WRONG_PORT, DoorVerdict.NOT_NATS})


@rule(
    "NATS-004",
    "Port is none for NATS clients",
    severity=Severity.ERROR,
    issue=FindingClass.CONFIGURATION,
    reads=(Connection,),
)
def nats_wrong_port(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Every URL leads to a port for NATS clients."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            where, answer, doors = one
            yield hit(where, answer, doors, doors[0].reason)
