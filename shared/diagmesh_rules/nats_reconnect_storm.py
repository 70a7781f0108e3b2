"""nats-reconnect-storm: connections of the service end again and again, and no server says why."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_ended import why_not_told

__all__ = ["StormLimits", "nats_reconnect_storm"]

_TOLD_ELSEWHERE: Final = (
    "Slow Consumer",
    "Stale Connection",
    "Maximum Message Payload",
    "Maximum Connections",
    "Maximum Account Connections",
    "Authentication",
    "Credentials Revoked",
    "Missing Account",
    "Server Shutdown",
)
"""Reasons that have a code of their own (``ClosedState`` in server/monitor.go of nats-server)."""


class StormLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many are too many.

    Args:
        lately_count: connections that ended in the last five minutes.
    """

    lately_count: int = 10


@rule(
    "NATS-015",
    "Connection comes and goes",
    severity=Severity.WARNING,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Connection,),
    limits=StormLimits(),
)
def nats_reconnect_storm(seen: Evidence, limits: StormLimits) -> Iterator[Hit | Unjudged]:
    """Connections of the service stand for long."""
    for where, answer in seen.each(Connection):
        if answer.ended is None:
            yield Unjudged(where=where, why=why_not_told(answer))
            continue
        causeless = [one for one in answer.ended if one.lately and not one.reason.startswith(_TOLD_ELSEWHERE)]
        count = sum(one.lately for one in causeless)
        if count >= limits.lately_count:
            most = max(causeless, key=lambda one: one.lately)
            name = most.name or "the instance"
            yield Hit(
                where=where,
                title=f"{count} connections of {name} ended in the last five minutes ({most.reason})",
                evidence=tuple(
                    Fact(
                        what=one.reason,
                        value=one.lately,
                        unit="in five minutes",
                        limit=limits.lately_count,
                        at=one.server,
                    )
                    for one in causeless
                ),
            )
