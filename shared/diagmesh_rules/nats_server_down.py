"""nats-server-down: nothing listens where the service should find its NATS server."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut

__all__ = ["nats_server_down"]

_WAYS: Final = frozenset({DoorVerdict.REFUSED, DoorVerdict.UNREACHABLE})


@rule(
    "NATS-001",
    "NATS server is down",
    severity=Severity.ERROR,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Connection,),
)
def nats_server_down(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Something listens at every server that the service should connect to."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            where, answer, doors = one
            first = doors[0]
            words = (
                "server down or wrong port" if first.verdict is DoorVerdict.REFUSED else "its host cannot be reached"
            )
            yield hit(where, answer, doors, f"{words}: {first.reason}")
