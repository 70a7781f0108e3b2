"""publishers-stalled: the server held publishers up because somebody reads too slowly."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import MOST_NAMED, fact_of, signs, who

__all__ = ["publishers_stalled"]


@rule(
    "SRV-019",
    "Publishers were held up for a slow consumer",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Server,),
)
def publishers_stalled(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """No publisher is held up for those who read too slowly."""
    for where, answer in seen.each(Server):
        found = signs(answer, SignKind.PRODUCER_STALLED)
        fresh = answer.rates.stalls if answer.rates is not None else 0
        if not found and not fresh:
            continue
        facts = [fact_of(one) for one in found]
        if answer.rates is not None:
            facts.append(Fact(what="stalls between two looks", value=fresh, unit="count"))
            facts.append(Fact(what="between them", value=answer.rates.over_s, unit="s"))
        facts += [
            Fact(what="pending", value=one.pending_bytes, unit="bytes", at=one.name) for one in answer.pending[:1]
        ]
        slow = ", ".join(one.name for one in answer.pending[:MOST_NAMED])
        reader = f"; most waits for {slow}" if slow else ""
        title = f"{answer.name} held up {who(found) or 'publishers'}{reader}"
        yield Hit(where=where, title=title, evidence=tuple(facts), instead_of=("SRV-027",))
