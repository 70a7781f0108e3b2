"""client-requests-fail: clients say that nobody answers their requests."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import fact_of, signs

__all__ = ["client_requests_fail"]


@rule(
    "SRV-025",
    "Requests of clients fail",
    severity=Severity.WARNING,
    issue=FindingClass.TIMEOUT,
    reads=(Server,),
)
def client_requests_fail(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """Requests are answered."""
    for where, answer in seen.each(Server):
        found = signs(answer, SignKind.NO_RESPONDERS, SignKind.TIMEOUT)
        if found:
            words = {SignKind.NO_RESPONDERS: "nobody listens (no responders)", SignKind.TIMEOUT: "no answer in time"}
            title = f"requests fail: {'; '.join(words[one.kind] for one in found)}"
            yield Hit(where=where, title=title, evidence=tuple(fact_of(one) for one in found))
        elif not answer.clients_read:
            yield Unjudged(where=where, why="only the clients tell that", not_here=True)
