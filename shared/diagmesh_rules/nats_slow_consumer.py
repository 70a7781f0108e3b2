"""nats-slow-consumer: a server has cut off a connection of the service, because it read too slowly."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_ended import ended_for, ended_hit

__all__ = ["nats_slow_consumer"]


@rule(
    "NATS-010",
    "Slow consumer was cut off",
    severity=Severity.ERROR,
    issue=FindingClass.MESSAGE_LOSS,
    reads=(Connection,),
)
def nats_slow_consumer(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """No connection of the service is cut off as a slow consumer."""
    for one in ended_for(seen, lambda reason: reason.startswith("Slow Consumer")):
        if isinstance(one, Unjudged):
            yield one
        elif one[2]:
            yield ended_hit(one[0], one[2], "the server cut the connection off as a slow consumer")
