"""coordinator-silent: a coordinator that should be there does not answer, or is not there."""

from collections.abc import Iterator

from diagmesh.contract.answers.coordinator import Coordinator
from diagmesh.contract.directory import InstanceState
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.contract.mesh import Ended, Silent
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._words import moment

__all__ = ["coordinator_silent"]


@rule(
    "MESH-006",
    "Coordinator is silent",
    severity=Severity.WARNING,
    issue=FindingClass.MESH,
    reads=(Coordinator,),
    over_many=True,
)
def coordinator_silent(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """Every coordinator that should be there answers."""
    for one in seen.silent:
        if one.instance and one.reason.startswith((InstanceState.SILENT, InstanceState.NOT_CONNECTED)):
            where = Key(one.service, one.instance)
            yield Hit(where=where, title=_title(one), evidence=_facts(one), now=_another(seen))
    directory = seen.directory
    if directory is None or not directory.coordinators_lacking:
        return
    where = Key("mesh", "")
    if directory.ended is Ended.WARMING:
        yield Unjudged(where=where, why="the coordinator has only begun to listen for heartbeats")
        return
    count, declared = directory.coordinators_lacking, directory.coordinators_declared
    fact = Fact(what="lacking", value=count, unit="count", limit=declared)
    words = f"{count} of {declared} declared coordinators {'is' if count == 1 else 'are'} missing"
    yield Hit(where=where, title=f"{words}: never heard of, or left", evidence=(fact,))


def _title(one: Silent) -> str:
    if one.reason.startswith(InstanceState.SILENT):
        return "it is connected, but does not answer: its share of the questions waits until another one is asked"
    return "it is not connected to NATS: the others answer alone"


def _another(seen: Evidence) -> tuple[str, ...]:
    """How the plain NATS client gets round it; a question without a name may meet it again."""
    there = sorted(where.instance for where, _ in seen.each(Coordinator))
    return (f"ask one that answers: `nats req diag.mesh.health.{there[0]} ''`",) if there else ()


def _facts(one: Silent) -> tuple[Fact, ...]:
    told = [Fact(what="coordinator", value=one.reason)]
    if one.last_seen is not None:
        told.append(Fact(what="last heard", value=moment(one.last_seen)))
    return tuple(told)
