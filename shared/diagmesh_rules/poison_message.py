"""poison-message: a message that a consumer cannot handle comes again and again, or was given up."""

import shlex
from collections.abc import Iterator

from diagmesh.contract.answers.streams import Cause, ConsumerState, PoisonMessage, Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, consumers_with, unseen
from diagmesh_rules._words import duration

__all__ = ["PoisonLimits", "poison_message"]


class PoisonLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long it is told.

    Args:
        recent_s: after it was given up, while it is still in the stream.
    """

    recent_s: float = 3600.0


@rule(
    "JS-005",
    "Poison message",
    severity=Severity.ERROR,
    issue=FindingClass.SERIALIZATION_ERROR,
    reads=(Streams,),
    limits=PoisonLimits(),
)
def poison_message(seen: Evidence, limits: PoisonLimits) -> Iterator[Hit | Unjudged]:
    """Every message is handled within its deliveries."""

    def judge(one: ConsumerState, _: Streams) -> Found | None:
        bad = [each for each in one.poison if each.age_s is None or each.age_s <= limits.recent_s]
        if not bad:
            return None
        last = bad[-1]
        command = f"`nats stream get {shlex.quote(one.stream)} {last.seq}`"
        facts = tuple(_fact(one, each) for each in bad[-3:])
        title = f"{one.full_name}: message {last.seq} {_become(last)}"
        if len(bad) > 1:
            title += ", and 1 other" if len(bad) == 2 else f", and {len(bad) - 1} others"
        severity = Severity.ERROR if last.given_up else Severity.WARNING
        return Found(title, facts, (f"look at it: {command}",), severity, {"42": str(last.seq)})

    yield from consumers_with(seen, {Cause.POISON}, judge)
    for where, answer in seen.each(Streams):
        if why := unseen(answer, "consumers", "advisories"):  # what was given up is told by an advisory alone
            yield Unjudged(where=where, why=why)


def _become(message: PoisonMessage) -> str:
    if message.given_up:
        return f"was given up after {message.deliveries} deliveries, {duration(message.age_s or 0.0)} ago"
    return "comes again and again, while others are handled"


def _fact(one: ConsumerState, message: PoisonMessage) -> Fact:
    times = float(message.deliveries) if message.deliveries is not None else None
    limit = float(one.max_deliver) if one.max_deliver is not None else None
    return Fact(what=f"{one.full_name}: deliveries of message {message.seq}", value=times, limit=limit)
