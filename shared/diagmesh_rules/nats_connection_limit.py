"""nats-connection-limit: the connection limit of a NATS server or account is reached."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut

__all__ = ["nats_connection_limit"]

_WAYS: Final = frozenset({DoorVerdict.LIMIT})


@rule(
    "NATS-009",
    "NATS server takes no more connections",
    severity=Severity.ERROR,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Connection,),
)
def nats_connection_limit(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Every server has room for another connection."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            where, answer, doors = one
            yield hit(where, answer, doors, f"a limit on connections is reached: {doors[0].reason}")
