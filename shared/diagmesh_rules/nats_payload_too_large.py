"""nats-payload-too-large: a server has ended a connection of the service for a message that was too large."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_ended import ended_for, ended_hit

__all__ = ["nats_payload_too_large"]


@rule(
    "NATS-013",
    "Message was too large",
    severity=Severity.ERROR,
    issue=FindingClass.SERIALIZATION_ERROR,
    reads=(Connection,),
)
def nats_payload_too_large(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """The service sends no message above the limit of the server."""
    for one in ended_for(seen, lambda reason: "Payload" in reason):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            yield ended_hit(one[0], one[2], "the server ended the connection for a message above max_payload")
