"""sidecar-gone: the sidecar of an instance is not connected to NATS, or a declared replica never appeared."""

from collections import Counter
from collections.abc import Iterator

from diagmesh.contract.directory import InstanceState, ServiceEntry
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.contract.mesh import Ended
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._absence import absent

__all__ = ["sidecar_gone"]


@rule(
    "MESH-002",
    "Sidecar is gone",
    severity=Severity.ERROR,
    issue=FindingClass.MESH,
    reads=(),
    over_many=True,
)
def sidecar_gone(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """The sidecar of every known instance and of every declared replica is connected to NATS."""
    for where, one in absent(seen).items():
        if one.state is InstanceState.NOT_CONNECTED:
            title = "its sidecar is not connected; the service itself was not seen"
            yield Hit(where=where, title=title, evidence=one.facts())
        elif one.state is InstanceState.UNKNOWN:
            yield Unjudged(where=where, why=one.reason or "it is not known whether its sidecar is connected")
    yield from _lacking(seen)


def _lacking(seen: Evidence) -> Iterator[Hit | Unjudged]:
    """Declared replicas that nobody ever heard of have no names: one entry per service."""
    if seen.directory is None:
        for service, count in Counter(one.service for one in seen.silent if not one.instance).items():
            title = _title(count, f"{count} declared {'replica' if count == 1 else 'replicas'}")
            yield Hit(where=Key(service, ""), title=title, evidence=(Fact(what="lacking", value=count, unit="count"),))
        return
    for entry in seen.directory.services:
        if entry.lacking and seen.directory.ended is Ended.WARMING:
            yield Unjudged(where=Key(entry.service, ""), why="the coordinator has only begun to listen for heartbeats")
        elif entry.lacking:
            yield _of_declared(entry)


def _of_declared(entry: ServiceEntry) -> Hit:
    fact = Fact(what="lacking", value=entry.lacking, unit="count", limit=entry.declared)
    title = _title(entry.lacking, f"{entry.lacking} of {entry.declared} declared replicas")
    return Hit(where=Key(entry.service, ""), title=title, evidence=(fact,))


def _title(count: int, of: str) -> str:
    return f"{of} {'is' if count == 1 else 'are'} missing: never heard of, or left"
