"""receiver-refused: permissions keep a message away from somebody who listens."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.route import Route, RouteState
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["receiver_refused"]

_MOST: Final = 5
"""Refused receivers that are told one by one."""


@rule(
    "NATS-021",
    "A receiver is refused by permissions",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Route,),
    costly=True,
)
def receiver_refused(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001
    """Whoever listens on a subject that was followed is allowed to hear it."""
    for where, answer in seen.each(Route):
        refused = [(hop, step) for hop in answer.hops for step in hop.steps if step.refused]
        if not refused:
            continue
        hop, step = refused[0]
        who = step.name or f"connection {step.cid} on {hop.server}"
        more = max(answer.refusals, len(refused)) - 1  # an answer keeps a bounded number of steps
        others = f" and {more} more" if more else ""
        title = f"a message on {answer.subject} is kept from {who}{others} by permissions"
        facts = [Fact(what="others that get it", value=float(answer.receivers + answer.streams), unit="count")]
        for hop, step in refused[:_MOST]:
            facts.append(Fact(what=f"{step.name or step.cid} on {hop.server}", value=step.error))
        severity = Severity.WARNING if answer.state is RouteState.REACHED else Severity.ERROR
        now = (f"allow its role to subscribe to {answer.subject}, or end the subscription that covers it",)
        names = {"SUBJECT": answer.subject, "orders.new": answer.subject}
        yield Hit(where=where, title=title, evidence=tuple(facts), severity=severity, now=now, names=names)
