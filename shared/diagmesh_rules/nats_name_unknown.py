"""nats-name-unknown: the name of a NATS server cannot be resolved on the host of the instance."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut

__all__ = ["nats_name_unknown"]

_WAYS: Final = frozenset({DoorVerdict.NAME_UNKNOWN, DoorVerdict.RESOLVER_FAILS})


@rule(
    "NATS-005",
    "Name of a NATS server is not resolved",
    severity=Severity.ERROR,
    issue=FindingClass.NETWORK,
    reads=(Connection,),
)
def nats_name_unknown(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """The name of every server is resolved."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            where, answer, doors = one
            yield hit(where, answer, doors, doors[0].reason)
