"""nats-server-unanswered: a connection attempt to a NATS server gets no answer at all."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut

__all__ = ["nats_server_unanswered"]

_WAYS: Final = frozenset({DoorVerdict.UNANSWERED})


@rule(
    "NATS-002",
    "NATS server does not answer",
    severity=Severity.ERROR,
    issue=FindingClass.NETWORK,
    reads=(Connection,),
)
def nats_server_unanswered(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Every server that the service should connect to answers a connection attempt."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            where, answer, doors = one
            yield hit(where, answer, doors, f"packets are dropped on the way: {doors[0].reason}")
