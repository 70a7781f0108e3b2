"""server-not-ready: a nats-server fails its own health check."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["server_not_ready"]


@rule(
    "SRV-001",
    "Server is not ready",
    severity=Severity.ERROR,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Server,),
)
def server_not_ready(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """Every nats-server passes its own health check."""
    for where, answer in seen.each(Server):
        if not answer.health:
            yield Unjudged(where=where, why="its health check could not be asked")
            continue
        failed = [one for one in answer.health if one.ok is False]
        if failed:
            facts = tuple(
                Fact(what=f"healthz ({one.name})", value=one.error or "no reason told", at=f"status {one.status_code}")
                for one in failed
            )
            title = f"{answer.name} is not ready: {failed[0].error or 'no reason told'}"
            yield Hit(where=where, title=title, evidence=facts)
