"""gateways-differ: the servers of a cluster do not have the same gateways."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import clusters, gateway_names

__all__ = ["gateways_differ"]


@rule(
    "SRV-013",
    "Servers of a cluster have different gateways",
    severity=Severity.ERROR,
    issue=FindingClass.CONFIGURATION,
    reads=(Server,),
    over_many=True,
)
def gateways_differ(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """All servers of a cluster are configured with, and connected to, the same gateways."""
    for cluster, servers in clusters(seen):
        known = [(where, answer, gateway_names(answer)) for where, answer in servers]
        every = frozenset().union(*(names for _, _, names in known))
        for where, answer, names in known:
            if missing := sorted(every - names - {cluster}):
                facts = (Fact(what="gateways", value=", ".join(sorted(names)) or "none", at=answer.name),)
                yield Hit(where=where, title=f"{answer.name} lacks the gateway to {', '.join(missing)}", evidence=facts)
