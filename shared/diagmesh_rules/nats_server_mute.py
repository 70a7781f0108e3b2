"""nats-server-mute: a NATS server takes connections, and says nothing."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, Door, DoorVerdict
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_doors import hit, shut

__all__ = ["nats_server_mute"]

_WAYS: Final = frozenset({DoorVerdict.MUTE, DoorVerdict.CLOSED})


@rule(
    "NATS-003",
    "NATS server is mute",
    severity=Severity.ERROR,
    issue=FindingClass.TIMEOUT,
    reads=(Connection,),
)
def nats_server_mute(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Every server greets whoever connects."""
    for one in shut(seen, _WAYS):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            where, answer, doors = one
            yield hit(where, answer, doors, f"{_words(doors[0])}: {doors[0].reason}")


def _words(door: Door) -> str:
    closes = door.verdict is DoorVerdict.CLOSED
    return (
        "nobody behind that port (a proxy?), or a server that is stopping"
        if closes
        else "frozen server, or no NATS at all"
    )
