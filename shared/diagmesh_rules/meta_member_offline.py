"""meta-member-offline: a server that belongs to the JetStream meta group is away."""

from collections.abc import Iterator
from math import inf

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import unheard_s, unlinked

__all__ = ["MetaAwayLimits", "meta_member_offline"]


class MetaAwayLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a member counts as away.

    Args:
        heard_s: the leader has not heard it for so long; it says so itself only after a minute or more.
    """

    heard_s: float = 5.0


@rule(
    "SRV-015",
    "Member of the meta group is away",
    severity=Severity.ERROR,
    issue=FindingClass.NETWORK,
    reads=(Server,),
    limits=MetaAwayLimits(),
)
def meta_member_offline(seen: Evidence, limits: MetaAwayLimits) -> Iterator[Hit | Unjudged]:
    """Every member of the meta group is there."""
    cut_off = unlinked(seen)
    for where, answer in seen.each(Server):
        if answer.meta is None:
            yield Unjudged(where=where, why="it has no meta group (alone, or JetStream is off)", not_here=True)
            continue
        # Only who leads hears from all the others; what a follower says of them is old.
        late_s = limits.heard_s if answer.meta.leads else inf
        away = [one for one in answer.meta.peers if one.offline or unheard_s(one) > late_s]
        away = [one for one in away if one.name not in cut_off.get(where, ())]  # it is there: SRV-026 says what is not
        if away and answer.meta.leader:
            names = ", ".join(one.name for one in away)
            facts = tuple(Fact(what="last heard", value=one.heard_s, unit="s", at=one.name) for one in away)
            title = f"{names} of the JetStream meta group ({answer.meta.size} members) is away"
            yield Hit(where=where, title=title, evidence=facts, names={"NAME": away[0].name})
