"""meta-leaders-differ: the servers of a cluster name different leaders of the meta group."""

from collections import Counter
from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import clusters

__all__ = ["meta_leaders_differ"]


@rule(
    "SRV-017",
    "Servers disagree on the meta leader",
    severity=Severity.CRITICAL,
    issue=FindingClass.NETWORK,
    reads=(Server,),
    over_many=True,
)
def meta_leaders_differ(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """All servers of a cluster name the same leader of the meta group."""
    for cluster, servers in clusters(seen):
        told = {one.name: one.meta.leader for _, one in servers if one.meta is not None and one.meta.leader}
        if len(set(told.values())) < 2:
            continue
        words = ", ".join(f"{name} says {leader}" for name, leader in sorted(told.items()))
        usual = Counter(told.values()).most_common(1)[0][0]
        for where, answer in servers:
            if told.get(answer.name, usual) != usual:
                facts = (Fact(what="leader", value=told[answer.name], at=answer.name),)
                title = f"cluster {cluster} does not agree on its meta leader: {words}"
                yield Hit(where=where, title=title, evidence=facts)
