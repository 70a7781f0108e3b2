"""meta-without-leader: the JetStream meta group has no leader."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["meta_without_leader"]


@rule(
    "SRV-016",
    "Meta group has no leader",
    severity=Severity.CRITICAL,
    issue=FindingClass.NETWORK,
    reads=(Server,),
)
def meta_without_leader(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """The meta group of JetStream has a leader."""
    for where, answer in seen.each(Server):
        if answer.meta is None:
            yield Unjudged(where=where, why="it has no meta group (alone, or JetStream is off)", not_here=True)
        elif not answer.meta.leader:
            away = [one.name for one in answer.meta.peers if one.offline or not one.current]
            facts = (
                Fact(what="members", value=answer.meta.size, unit="count"),
                Fact(what="away or behind", value=", ".join(away) or "none told"),
            )
            title = f"{answer.name} knows no leader of the JetStream meta group"
            yield Hit(where=where, title=title, evidence=facts, instead_of=("SRV-001",))
