"""nats-tls-fails: TLS with a NATS server does not come about, or would not be there although it is wanted."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut

__all__ = ["nats_tls_fails"]

_WAYS: Final = frozenset({DoorVerdict.TLS_FAILED, DoorVerdict.PLAIN_TEXT})


@rule(
    "NATS-006",
    "TLS with a NATS server fails",
    severity=Severity.ERROR,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Connection,),
)
def nats_tls_fails(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """TLS comes about with every server that should have it."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            where, answer, doors = one
            yield hit(where, answer, doors, doors[0].reason)
