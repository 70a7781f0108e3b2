"""many-ha-assets: a nats-server takes part in very many RAFT groups."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["HaAssetsLimits", "many_ha_assets"]


class HaAssetsLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many are too many.

    Args:
        assets: replicated streams and consumers on one server.
    """

    assets: int = 1000


@rule(
    "SRV-014",
    "Too many replicated streams and consumers on a server",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Server,),
    limits=HaAssetsLimits(),
)
def many_ha_assets(seen: Evidence, limits: HaAssetsLimits) -> Iterator[Hit | Unjudged]:
    """No nats-server takes part in more than 1000 (`assets`) RAFT groups."""
    for where, answer in seen.each(Server):
        use = answer.jetstream
        if use is None:
            yield Unjudged(where=where, why="JetStream is off", not_here=True)
        elif use.ha_assets > limits.assets:
            facts = (Fact(what="replicated assets", value=use.ha_assets, unit="count", limit=float(limits.assets)),)
            title = f"{answer.name} takes part in {use.ha_assets} replicated streams and consumers"
            yield Hit(where=where, title=title, evidence=facts)
