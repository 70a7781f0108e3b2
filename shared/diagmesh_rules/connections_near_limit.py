"""connections-near-limit: a nats-server has nearly as many connections as it may have."""

from collections.abc import Iterator, Sequence

from diagmesh.contract.answers.server import Server, Sign, SignKind
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import fact_of, plural, severity, signs, who

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
        share = answer.limits.connections_share or 0.0
        refused = [one for one in signs(answer, SignKind.CONNECTIONS_EXCEEDED) if severity(answer, [one]) is None]
        if share < limits.share and (not refused or _account_told(answer)):
            continue
        most = float(answer.limits.max_connections) if answer.limits.max_connections is not None else None
        facts = [Fact(what="connections", value=answer.load.connections, unit="count", limit=most)]
        facts += [fact_of(one) for one in refused]
        bad = share >= 1 or bool(refused)
        yield Hit(
            where=where,
            title=_title(answer, refused, near=share >= limits.share),
            evidence=tuple(facts),
            severity=Severity.ERROR if bad else None,
        )


def _account_told(answer: Server) -> bool:
    """Whether an account is known to be full: SRV-011 names it."""
    return any(one.max_connections is not None and one.connections >= one.max_connections for one in answer.accounts)


def _title(answer: Server, refused: Sequence[Sign], *, near: bool) -> str:
    count = plural(sum(one.count for one in refused), "connection")
    if not near and any("account" in one.example.lower() for one in refused):
        names = f" ({told})" if (told := who(refused)) else ""
        return f"{answer.name} refused {count}{names}: their account has as many as it may"
    title = f"{answer.name} has {answer.load.connections} of {answer.limits.max_connections} connections"
    return f"{title}; {count} refused" if refused else title
