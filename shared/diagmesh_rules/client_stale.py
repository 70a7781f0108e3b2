"""client-stale: a client did not answer the pings of the server, and was cut off."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import blind_parts, fact_of, severity, signs, who

__all__ = ["client_stale"]


@rule(
    "SRV-024",
    "Client did not answer pings",
    severity=Severity.WARNING,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Server,),
)
def client_stale(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """Every client answers the pings of the server."""
    for where, answer in seen.each(Server):
        found = signs(answer, SignKind.STALE_CONNECTION)
        if found:
            title = f"{answer.name} cut off {who(found) or 'a client'}: it answered no pings"
            yield Hit(
                where=where,
                title=title,
                evidence=tuple(fact_of(one) for one in found),
                severity=severity(answer, found),
            )
        elif "closed" in blind_parts(answer):
            yield Unjudged(where=where, why="its ended connections could not be seen")
