"""clients-not-permitted: clients publish or subscribe where their permissions do not let them."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import MOST_NAMED, fact_of, signs, who

__all__ = ["clients_not_permitted"]


@rule(
    "SRV-022",
    "Clients do what they may not do",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Server,),
)
def clients_not_permitted(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """No client is kept from a subject that it needs."""
    for where, answer in seen.each(Server):
        found = signs(answer, SignKind.PERMISSION_DENIED)
        if found:
            subjects = tuple(dict.fromkeys(subject for one in found for subject in one.subjects))[:MOST_NAMED]
            on = f" on {', '.join(subjects)}" if subjects else ""
            title = f"{answer.name} did not permit {who(found) or 'a client'} what it tried{on}"
            yield Hit(where=where, title=title, evidence=tuple(fact_of(one) for one in found))
        elif not answer.log_read:
            yield Unjudged(where=where, why="only the log of the server and its clients tell that", not_here=True)
