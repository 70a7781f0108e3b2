"""nats-reconnect-storm: connections of the service end again and again, and no server says why."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_ended import why_not_told

__all__ = ["StormLimits", "nats_reconnect_storm"]

_NO_CAUSE: Final = frozenset({"Client Closed", "Read Error", "Write Error", "TLS Handshake Failure", "Parse Error"})
"""Reasons that name no cause; all others have a code of their own."""


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
        causeless = [one for one in answer.ended if one.reason in _NO_CAUSE and one.lately]
        count = sum(one.lately for one in causeless)
        if count >= limits.lately_count:
            yield Hit(
                where=where,
                title=f"{count} connections of {causeless[0].name or 'the instance'} ended in the last five minutes",
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
