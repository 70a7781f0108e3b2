"""server-versions-differ: the servers of a cluster do not run the same version."""

from collections import Counter
from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import clusters

__all__ = ["server_versions_differ"]


@rule(
    "SRV-010",
    "Servers of a cluster have different versions",
    severity=Severity.WARNING,
    issue=FindingClass.DEPLOYMENT,
    reads=(Server,),
    over_many=True,
)
def server_versions_differ(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """All servers of a cluster run the same version."""
    for cluster, servers in clusters(seen):
        versions = Counter(answer.version for _, answer in servers if answer.version)
        if len(versions) < 2:
            continue
        usual = max(versions, key=lambda version: (versions[version], version))
        told = ", ".join(f"{count} with {version}" for version, count in sorted(versions.items()))
        for where, answer in servers:
            if answer.version and answer.version != usual:
                facts = (Fact(what="version", value=answer.version), Fact(what="most have", value=usual))
                yield Hit(where=where, title=f"cluster {cluster} is mixed: {told}", evidence=facts)
