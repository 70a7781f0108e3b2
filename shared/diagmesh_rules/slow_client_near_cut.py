"""slow-client-near-cut: much waits at the server for a client that reads too slowly."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import blind_parts
from diagmesh_rules._words import size

__all__ = ["PendingLimits", "slow_client_near_cut"]


class PendingLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is too much.

    Args:
        share: of `max_pending`.
    """

    share: float = 0.5


@rule(
    "SRV-027",
    "Client is about to be cut off as a slow consumer",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Server,),
    limits=PendingLimits(),
)
def slow_client_near_cut(seen: Evidence, limits: PendingLimits) -> Iterator[Hit | Unjudged]:
    """Little waits at the server for each client."""
    for where, answer in seen.each(Server):
        for one in answer.pending:
            if one.share is not None and one.share >= limits.share:
                heard = f" ({', '.join(one.subjects)})" if one.subjects else ""
                most = one.pending_bytes / one.share
                facts = (Fact(what="pending", value=one.pending_bytes, unit="bytes", limit=most),)
                title = f"{size(one.pending_bytes)} wait at {answer.name} for {one.name}{heard}"
                yield Hit(where=where, title=title, evidence=facts)
        if "connz" in blind_parts(answer):
            yield Unjudged(where=where, why="its connections could not be seen")
