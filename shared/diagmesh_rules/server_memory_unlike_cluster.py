"""server-memory-unlike-cluster: one server of a cluster uses far more memory than the others."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import clusters
from diagmesh_rules._words import number, size

__all__ = ["MemoryUnlikeLimits", "server_memory_unlike_cluster"]


class MemoryUnlikeLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How unlike is too unlike.

    Args:
        times: the mean of the others.
        least_bytes: a smaller difference is of no weight.
        least_servers: with fewer there is no usual.
    """

    times: float = 1.5
    least_bytes: int = 268_435_456
    least_servers: int = 3


@rule(
    "SRV-012",
    "Server uses far more memory than its cluster",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Server,),
    limits=MemoryUnlikeLimits(),
    over_many=True,
)
def server_memory_unlike_cluster(seen: Evidence, limits: MemoryUnlikeLimits) -> Iterator[Hit | Unjudged]:
    """The servers of a cluster use about the same memory."""
    for cluster, servers in clusters(seen):
        if len(servers) < limits.least_servers:
            continue
        for where, answer in servers:
            others = [one.load.memory_bytes for key, one in servers if key != where]
            mean = sum(others) / len(others)
            used = answer.load.memory_bytes
            if used >= limits.times * mean and used - mean >= limits.least_bytes:
                facts = (
                    Fact(what="memory", value=used, unit="bytes", limit=limits.times * mean),
                    Fact(what="mean of the others", value=mean, unit="bytes"),
                )
                times = f"{number(used / mean, 2)} times the mean of the others of {cluster}"
                title = f"{answer.name} uses {size(used)}, {times}"
                yield Hit(where=where, title=title, evidence=facts)
