"""clients-refused: clients come with credentials that the server does not accept."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import blind_parts, fact_of, plural, severity, signs, who

__all__ = ["clients_refused"]


@rule(
    "SRV-021",
    "Clients are refused: wrong or expired credentials",
    severity=Severity.WARNING,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Server,),
)
def clients_refused(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """Every client that comes is let in."""
    for where, answer in seen.each(Server):
        found = signs(answer, SignKind.AUTHENTICATION_FAILED, SignKind.AUTHENTICATION_EXPIRED)
        if not found and "closed" in blind_parts(answer):
            yield Unjudged(where=where, why="its ended connections could not be seen")
        if found:
            expired = all(one.kind is SignKind.AUTHENTICATION_EXPIRED for one in found)
            why = "their credentials expired" if expired else "wrong credentials"
            count = max(one.count for one in found)
            title = f"{answer.name} refused {who(found) or plural(count, 'client')}: {why}"
            yield Hit(
                where=where,
                title=title,
                evidence=tuple(fact_of(one) for one in found),
                severity=severity(answer, found),
            )
