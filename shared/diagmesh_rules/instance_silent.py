"""instance-silent: the sidecar of an instance is connected to NATS and does not answer."""

from collections.abc import Iterator

from diagmesh.contract.directory import InstanceState
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._absence import absent

__all__ = ["instance_silent"]


@rule(
    "MESH-001",
    "Instance is silent",
    severity=Severity.WARNING,
    issue=FindingClass.MESH,
    reads=(),
    over_many=True,
)
def instance_silent(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Every sidecar that is connected to NATS answers."""
    for where, one in absent(seen).items():
        if one.state is InstanceState.SILENT:
            title = "its sidecar is connected, but does not answer; the service itself was not seen"
            yield Hit(where=where, title=title, evidence=one.facts())
        elif one.state is InstanceState.UNKNOWN:
            yield Unjudged(where=where, why=one.reason or "it is not known whether its sidecar is connected")
