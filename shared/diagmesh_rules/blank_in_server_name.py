"""blank-in-server-name: a name that goes into subjects or is compared has a blank in it."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["blank_in_server_name"]


@rule(
    "SRV-006",
    "Blank in the name of a cluster, domain or leafnode",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Server,),
)
def blank_in_server_name(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """No name of a cluster, JetStream domain, gateway or leafnode holds a blank."""
    for where, answer in seen.each(Server):
        named = [("cluster", answer.cluster), ("domain", answer.domain)]
        named += [("leafnode", one.name) for one in answer.leafs]
        for what, name in dict.fromkeys(named):
            if any(letter.isspace() for letter in name):
                yield Hit(
                    where=where,
                    title=f"the name of the {what} {name!r} of {answer.name} holds a blank",
                    evidence=(Fact(what=what, value=name),),
                    severity=Severity.WARNING if what == "domain" else Severity.ERROR,
                )
