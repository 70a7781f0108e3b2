"""name-taken-twice: two sidecars serve under the name of one instance at the same time."""

from collections.abc import Iterator

from diagmesh.contract.directory import Rival
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.contract.mesh import Ended
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key, label

__all__ = ["name_taken_twice"]


@rule(
    "MESH-005",
    "Name is taken twice",
    severity=Severity.ERROR,
    issue=FindingClass.CONFIGURATION,
    reads=(),
    over_many=True,
)
def name_taken_twice(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Every instance has a name of its own."""
    for where, rivals in _rivals(seen).items():
        hosts = sorted({one.host for one in rivals if one.host})
        places = f" (on {' and '.join(hosts)})" if hosts else ""
        yield Hit(
            where=where,
            title=f"{len(rivals)} sidecars at a time serve as {label(where)}{places}: only one of them is seen",
            evidence=tuple(Fact(what="start of a sidecar", value=one.boot, at=one.host) for one in rivals),
        )
    if seen.directory is not None and seen.directory.ended is Ended.WARMING:
        for entry in seen.directory.services:
            yield Unjudged(where=Key(entry.service, ""), why="the coordinator has only begun to listen for heartbeats")


def _rivals(seen: Evidence) -> dict[Key, tuple[Rival, ...]]:
    """Who shares a name: by the heartbeats of two starts in turn, or by two replies to one question."""
    found: dict[Key, dict[str, Rival]] = {}
    for entry in seen.directory.services if seen.directory is not None else ():
        for one in entry.instances:
            for rival in one.rivals:
                found.setdefault(Key(entry.service, one.instance), {})[rival.boot] = rival
    for where, rivals in seen.rivals.items():
        for rival in rivals:
            found.setdefault(where, {})[rival.boot] = rival
    return {where: tuple(boots.values()) for where, boots in sorted(found.items())}
