"""no-quorum: too few servers are left to decide for JetStream, or for a stream of the service."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["no_quorum"]


@rule(
    "JS-011",
    "JetStream has no quorum",
    severity=Severity.CRITICAL,
    issue=FindingClass.NETWORK,
    reads=(Streams,),
)
def no_quorum(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """JetStream, and every stream and consumer of the service, has a leader."""
    for where, answer in seen.each(Streams):
        if (lost := answer.no_quorum) is None:
            continue
        of = ", ".join(lost.streams[:3]) + (" …" if len(lost.streams) > 3 else "")
        facts = [Fact(what=f"{of or 'JetStream'} says", value=lost.reason)]
        if lost.error_code:
            facts.append(Fact(what="code of the error", value=str(lost.error_code)))
        title = f"{of or 'JetStream'} has no leader: nothing is stored there, nothing delivered"
        names = {"ORDERS": lost.streams[0].partition("/")[0]} if lost.streams else {}
        yield Hit(where=where, title=title, evidence=tuple(facts), names=names)
