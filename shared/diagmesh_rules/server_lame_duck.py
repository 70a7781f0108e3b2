"""server-lame-duck: a nats-server sends its clients away before it ends."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import sign

__all__ = ["server_lame_duck"]


@rule(
    "SRV-002",
    "Server is in lame duck mode",
    severity=Severity.WARNING,
    issue=FindingClass.DEPLOYMENT,
    reads=(Server,),
)
def server_lame_duck(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """No nats-server is about to end."""
    for where, answer in seen.each(Server):
        told = sign(answer, SignKind.LAME_DUCK)
        if answer.lame_duck or told is not None:
            words = "its log says so" if told is not None else "not ready, and its client port refuses"
            yield Hit(
                where=where,
                title=f"{answer.name} is in lame duck mode: its clients are sent away",
                evidence=(
                    Fact(what="lame duck", value=words),
                    Fact(what="clients left", value=answer.load.connections, unit="count"),
                ),
                instead_of=("SRV-001",),
            )
