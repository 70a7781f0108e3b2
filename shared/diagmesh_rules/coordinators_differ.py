"""coordinators-differ: coordinators of one mesh judge by different settings."""

from collections.abc import Iterator

from diagmesh.contract.answers.coordinator import Coordinator
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["coordinators_differ"]


@rule(
    "MESH-008",
    "Coordinators judge by different settings",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Coordinator,),
    over_many=True,
)
def coordinators_differ(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """All coordinators have the same thresholds, suppressions, replicas and times."""
    told = dict(seen.each(Coordinator))
    if len({one.settings for one in told.values()}) < 2:
        return
    for where, one in told.items():
        same = sum(other.settings == one.settings for other in told.values())
        title = f"its settings are those of {same} of {len(told)} coordinators: who answers decides what is found"
        yield Hit(where=where, title=title, evidence=(Fact(what="settings", value=one.settings),))
