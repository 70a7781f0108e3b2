"""route-missing: two servers of a cluster have no route between them."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import clusters, unlinked

__all__ = ["route_missing"]


@rule(
    "SRV-026",
    "Servers of a cluster are not connected",
    severity=Severity.ERROR,
    issue=FindingClass.NETWORK,
    reads=(Server,),
    over_many=True,
)
def route_missing(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """Every server of a cluster has a route to every other one."""
    missing_of = unlinked(seen)
    for cluster, servers in clusters(seen):
        for where, answer in servers:
            if where not in missing_of:
                yield Unjudged(where=where, why="its routes could not be seen")
            elif missing := sorted(missing_of[where]):
                facts = (Fact(what="routes to", value=", ".join(one.name for one in answer.routes) or "nobody"),)
                title = f"{answer.name} has no route to {', '.join(missing)} of its cluster {cluster}"
                yield Hit(where=where, title=title, evidence=facts)
