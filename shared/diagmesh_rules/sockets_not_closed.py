"""sockets-not-closed: an instance keeps connections whose peers are gone (CLOSE_WAIT)."""

from collections.abc import Iterator

from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._usage import blind_words, dead_share
from diagmesh_rules._words import percent

__all__ = ["CloseWaitLimits", "sockets_not_closed"]


class CloseWaitLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many connections in CLOSE_WAIT are too many.

    Args:
        close_wait_count: so many are a warning; a few are on their way in any busy program.
        error_share: of the descriptor limit, in all: an error, for no connection will be accepted soon.
        dead_share: near that limit fewer connections will do, if they are so large a share of what is held.
    """

    close_wait_count: int = 20
    error_share: float = 0.8
    dead_share: float = 0.5


@rule(
    "RES-008",
    "Connections are not closed",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Resources,),
    limits=CloseWaitLimits(),
)
def sockets_not_closed(seen: Evidence, limits: CloseWaitLimits) -> Iterator[Hit | Unjudged]:
    """Every instance closes the connections that its peers have closed."""
    for where, answer in seen.each(Resources):
        sockets, told = answer.sockets, answer.descriptors
        if sockets is None:
            words = "its sockets could not be seen"
            yield Unjudged(where=where, why=blind_words(answer, "sockets", words))
            continue
        near = told.share_of_limit is not None and told.share_of_limit >= limits.error_share
        if sockets.close_wait >= limits.close_wait_count or (near and dead_share(answer) >= limits.dead_share):
            facts = [
                Fact(what="CLOSE_WAIT", value=sockets.close_wait, unit="count", limit=limits.close_wait_count),
                Fact(what="established", value=sockets.established, unit="count"),
            ]
            title = f"{sockets.close_wait} connections that the peer closed are kept open"
            if told.share_of_limit is not None:
                title += f" (file descriptors at {percent(told.share_of_limit)} of the limit)"
                facts.append(Fact(what="descriptors held", value=told.held, unit="count", limit=told.soft_limit))
            severity = Severity.ERROR if near else Severity.WARNING
            yield Hit(where=where, title=title, evidence=tuple(facts), severity=severity)
