"""registry-not-kept: a coordinator cannot write down who is expected, although its settings insist on it."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.directory import RegistryState
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key

__all__ = ["registry_not_kept"]

_READ_S: Final = 1.0
"""It is read as soon as there is a connection; so long it is not called lost."""


@rule(
    "MESH-009",
    "Registry is not kept",
    severity=Severity.WARNING,
    issue=FindingClass.MESH,
    reads=(),
    over_many=True,
)
def registry_not_kept(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Where the settings require it, what must survive a coordinator is written down."""
    registry = seen.directory.registry if seen.directory is not None else None
    if seen.directory is None or registry is None or not registry.required or registry.state is RegistryState.KEPT:
        return
    us = Key("mesh", next((one.instance for one in seen.directory.coordinators if one.self), ""))
    if registry.state is RegistryState.OFF and registry.since is None:
        yield Unjudged(where=us, why="the coordinator has just started and did not read it yet", again_in_s=_READ_S)
        return
    facts = [Fact(what="changes not written", value=registry.pending, unit="count")]
    if registry.since is not None:
        facts.append(Fact(what="since", value=registry.since.isoformat(timespec="seconds")))
    title = f"who is expected is not written down: {registry.reason}"
    yield Hit(where=us, title=title, evidence=tuple(facts))
