"""coordinator-refused: the NATS server does not permit a coordinator something that its work needs."""

from collections.abc import Iterator

from diagmesh.contract.answers.coordinator import Coordinator
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, rule
from diagmesh.evidence import Evidence

__all__ = ["coordinator_refused"]

_REFUSED = "not permitted: "


@rule(
    "MESH-010",
    "Coordinator is not permitted",
    severity=Severity.WARNING,
    issue=FindingClass.MESH,
    reads=(Coordinator,),
)
def coordinator_refused(seen: Evidence, limits: Limits) -> Iterator[Hit]:  # noqa: ARG001  it has no thresholds
    """Every coordinator may do what its work needs."""
    for where, one in seen.each(Coordinator):
        # Of a brief answer there is the state only, in which trouble with the connection comes first.
        reason = one.link.reason if one.link is not None else one.reason
        if reason.startswith(_REFUSED):
            fact = Fact(what="the server said", value=reason)
            yield Hit(where=where, title=reason.removeprefix(_REFUSED), evidence=(fact,))
