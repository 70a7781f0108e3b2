"""connections-near-limit: a nats-server has nearly as many connections as it may have."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import fact_of, plural, severity, signs

__all__ = ["ConnectionShareLimits", "connections_near_limit"]


class ConnectionShareLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How close is too close.

    Args:
        share: of `max_connections`.
    """

    share: float = 0.9


@rule(
    "SRV-009",
    "Connections are near the limit of the server",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Server,),
    limits=ConnectionShareLimits(),
)
def connections_near_limit(seen: Evidence, limits: ConnectionShareLimits) -> Iterator[Hit | Unjudged]:
    """Every nats-server can take more connections."""
    for where, answer in seen.each(Server):
        share, most = answer.limits.connections_share, answer.limits.max_connections
        refused = [one for one in signs(answer, SignKind.CONNECTIONS_EXCEEDED) if severity(answer, [one]) is None]
        full = share is not None and share >= 1
        if share is None or most is None or (share < limits.share and not refused):
            continue
        facts = [Fact(what="connections", value=answer.load.connections, unit="count", limit=float(most))]
        facts += [fact_of(one) for one in refused]
        title = f"{answer.name} has {answer.load.connections} of {most} connections"
        if refused:
            title += f"; {plural(sum(one.count for one in refused), 'connection')} refused"
        yield Hit(where=where, title=title, evidence=tuple(facts), severity=Severity.ERROR if full or refused else None)
