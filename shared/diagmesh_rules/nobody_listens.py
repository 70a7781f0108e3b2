"""nobody-listens: a message on a subject would get to nobody."""

import shlex
from collections.abc import Iterator

from diagmesh.contract.answers.route import Route, RouteState, StepKind
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["nobody_listens"]


@rule(
    "NATS-020",
    "Nobody listens on a subject",
    severity=Severity.ERROR,
    issue=FindingClass.MESSAGE_LOSS,
    reads=(Route,),
    costly=True,
)
def nobody_listens(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001
    """Somebody listens on a subject that was followed, or a stream keeps what is published there."""
    for where, answer in seen.each(Route):
        if answer.state is RouteState.UNSEEN:
            yield Unjudged(where=where, why="a branch of the route could not be followed")
        if answer.state is not RouteState.NOBODY:
            continue
        accounts = ", ".join(sorted({hop.account for hop in answer.hops})) or "unknown"
        idle = [step.name for hop in answer.hops for step in hop.steps if step.kind is StepKind.STORED]
        title = f"a message on {answer.subject} would be lost: nobody listens there"
        if idle:
            title = f"{title}, and stream {idle[0]} keeps nothing without a consumer"
        facts = (
            Fact(what="subscriptions and streams", value=0.0, unit="count"),
            Fact(what="servers that looked", value=float(len(answer.hops)), unit="count"),
            Fact(what="account", value=accounts),
        )
        now = (f"start whoever should listen, or correct the subject: `nats sub {shlex.quote(answer.subject)}`",)
        names = {"SUBJECT": answer.subject, "orders.new": answer.subject}
        yield Hit(where=where, title=title, evidence=facts, now=now, names=names)
