"""client-limit-exceeded: a client sent too much at once, or has too many subscriptions."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import blind_parts, fact_of, severity, signs, who

__all__ = ["client_limit_exceeded"]


@rule(
    "SRV-023",
    "Client exceeds a limit",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Server,),
)
def client_limit_exceeded(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """No client exceeds the limits of the server."""
    for where, answer in seen.each(Server):
        found = signs(answer, SignKind.PAYLOAD_EXCEEDED, SignKind.SUBSCRIPTIONS_EXCEEDED)
        if found:
            payload = any(one.kind is SignKind.PAYLOAD_EXCEEDED for one in found)
            what = "a message above max_payload" if payload else "more subscriptions than it may have"
            limit = answer.limits.max_payload_bytes if payload else answer.limits.max_subscriptions
            facts = (*(fact_of(one) for one in found), Fact(what="limit", value=limit))
            yield Hit(
                where=where,
                title=f"{who(found) or 'a client'} of {answer.name}: {what}",
                evidence=facts,
                severity=severity(answer, found),
            )
        elif "closed" in blind_parts(answer):
            yield Unjudged(where=where, why="its ended connections could not be seen")
