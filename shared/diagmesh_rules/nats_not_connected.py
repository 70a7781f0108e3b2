"""nats-not-connected: the service had a connection to NATS, has none now, and has not come back for minutes."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection, Door, DoorVerdict, Ended
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._nats_doors import stopping
from diagmesh_rules._nats_ended import why_not_told
from diagmesh_rules._words import moment

__all__ = ["nats_not_connected"]


@rule(
    "NATS-025",
    "Service does not connect again",
    severity=Severity.ERROR,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Connection,),
)
def nats_not_connected(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """A service that was connected to NATS is connected, or was so in the last five minutes."""
    for where, answer in seen.each(Connection):
        if answer.links:
            continue
        if answer.ended is None:
            yield Unjudged(where=where, why=why_not_told(answer))
        elif answer.links is None or answer.blind:
            yield Unjudged(where=where, why="whether it has a connection could not be seen")
        elif answer.ended and not answer.ended_lately and (door := _open(answer)) is not None:
            yield _hit(where, door, answer.ended[0])


def _open(answer: Connection) -> Door | None:
    """A server that would take it; while there is none other rules say why."""
    return next((door for door in answer.doors if door.verdict is DoorVerdict.OPEN and not stopping(door)), None)


def _hit(where: Key, door: Door, last: Ended) -> Hit:
    since = moment(last.last_at) if last.last_at is not None else "an unknown time"
    return Hit(
        where=where,
        title=f"no connection to NATS since {since} ({last.reason}), although {door.url} can be used",
        evidence=(
            Fact(what="connections", value=0, unit="count"),
            Fact(what="the last one ended", value=f"{since}: {last.reason}", at=f"{last.server} cid {last.cid}"),
            Fact(what="it had lived", value=last.lived_s, unit="s", at=last.name),
        ),
    )
