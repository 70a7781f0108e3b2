"""slow-consumer-cut: a client read too slowly, and the server cut it off."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._server import MOST_NAMED, blind_parts, fact_of, plural, severity, signs, who

__all__ = ["slow_consumer_cut"]


@rule(
    "SRV-004",
    "Slow consumer was cut off",
    severity=Severity.ERROR,
    issue=FindingClass.MESSAGE_LOSS,
    reads=(Server,),
)
def slow_consumer_cut(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """No client reads so slowly that the server has to cut it off."""
    for where, answer in seen.each(Server):
        found = signs(answer, SignKind.SLOW_CONSUMER)
        fresh = answer.rates.slow_consumers if answer.rates is not None else 0
        if not found and not fresh:
            if "closed" in blind_parts(answer):
                yield Unjudged(where=where, why="its ended connections could not be seen")
            continue
        names = who(found)
        facts = [fact_of(one) for one in found]
        if fresh and answer.rates is not None:
            facts.append(Fact(what="cut off between two looks", value=fresh, unit="count"))
        facts.append(Fact(what="cut off since its start", value=answer.load.slow_consumers, unit="count"))
        subjects = tuple(dict.fromkeys(subject for one in found for subject in one.subjects))[:MOST_NAMED]
        heard = f" ({', '.join(subjects)})" if subjects else ""
        title = f"{answer.name} cut off {names or plural(fresh, 'client')}{heard}: it read too slowly"
        late = None if fresh else severity(answer, found)
        yield Hit(where=where, title=title, evidence=tuple(facts), severity=late)
