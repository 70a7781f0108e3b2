"""reconnect-storm: one client connects and goes again and again."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import blind_parts, fact_of, severity
from diagmesh_rules._words import duration

__all__ = ["ReconnectLimits", "reconnect_storm"]


class ReconnectLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often is too often.

    Args:
        count: ended connections of one name within the window.
    """

    count: int = 20


@rule(
    "SRV-020",
    "Client comes and goes again and again",
    severity=Severity.WARNING,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Server,),
    limits=ReconnectLimits(),
)
def reconnect_storm(seen: Evidence, limits: ReconnectLimits) -> Iterator[Hit | Unjudged]:
    """Clients stay connected."""
    for where, answer in seen.each(Server):
        if "closed" in blind_parts(answer):
            yield Unjudged(where=where, why="its ended connections could not be seen")
            continue
        for one in answer.signs:
            if one.kind is SignKind.RECONNECTING and one.count >= limits.count:
                name = one.who[0] if one.who else "a client"
                title = f"{name} was connected to {answer.name} {one.count} times within {duration(answer.window_s)}"
                yield Hit(where=where, title=title, evidence=(fact_of(one),), severity=severity(answer, [one]))
