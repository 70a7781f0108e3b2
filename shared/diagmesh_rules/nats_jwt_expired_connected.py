"""nats-jwt-expired-connected: a server has ended a connection of the service, because the JWT of its user expired."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_ended import ended_for, ended_hit

__all__ = ["nats_jwt_expired_connected"]


@rule(
    "NATS-019",
    "JWT expired while connected",
    severity=Severity.ERROR,
    issue=FindingClass.CONFIGURATION,
    reads=(Connection,),
)
def nats_jwt_expired_connected(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """The JWT of the service outlives its connections."""
    for one in ended_for(seen, lambda reason: "Authentication Expired" in reason):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            yield ended_hit(one[0], one[2], "the JWT of the user expired, and the server ended the connection")
