"""nats-stale-client: a server has given a connection of the service up, because nothing came from it any more."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_ended import ended_for, ended_hit

__all__ = ["nats_stale_client"]


@rule(
    "NATS-017",
    "Client went stale",
    severity=Severity.ERROR,
    issue=FindingClass.TIMEOUT,
    reads=(Connection,),
)
def nats_stale_client(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """The service answers the pings of its server."""
    for one in ended_for(seen, lambda reason: reason == "Stale Connection"):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            yield ended_hit(one[0], one[2], "the service did not answer the pings of the server")
