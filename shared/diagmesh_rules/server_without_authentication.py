"""server-without-authentication: a nats-server lets in everybody who reaches its port."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["server_without_authentication"]


@rule(
    "SRV-007",
    "Server asks nobody who they are",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Server,),
)
def server_without_authentication(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """Every nats-server asks its clients who they are."""
    for where, answer in seen.each(Server):
        if answer.authentication is None:
            yield Unjudged(where=where, why="whether it asks for credentials was not told")
        elif not answer.authentication:
            yield Hit(
                where=where,
                title=f"{answer.name} lets in everybody who reaches its port",
                evidence=(Fact(what="authentication required", value=False),),
            )
