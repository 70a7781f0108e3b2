"""meta-member-behind: a member of the meta group does not keep up with its leader."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import unheard_s

__all__ = ["MetaLagLimits", "meta_member_behind"]


class MetaLagLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far behind is too far.

    Args:
        lag: operations.
        heard_s: a member that the leader has not heard for so long is not behind, but away (SRV-015).
    """

    lag: int = 200
    heard_s: float = 5.0


@rule(
    "SRV-018",
    "Member of the meta group lags",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Server,),
    limits=MetaLagLimits(),
)
def meta_member_behind(seen: Evidence, limits: MetaLagLimits) -> Iterator[Hit | Unjudged]:
    """Every member of the meta group keeps up with the leader."""
    for where, answer in seen.each(Server):
        meta = answer.meta
        if meta is None:
            yield Unjudged(where=where, why="it has no meta group (alone, or JetStream is off)", not_here=True)
            continue
        if not meta.leads:
            continue  # who follows does not know how the others are
        for one in meta.peers:
            if not one.offline and one.lag > limits.lag and unheard_s(one) <= limits.heard_s:
                facts = (Fact(what="lag", value=one.lag, unit="operations", limit=float(limits.lag)),)
                title = f"{one.name} lags {one.lag} operations behind the meta leader"
                yield Hit(where=where, title=title, evidence=facts)
