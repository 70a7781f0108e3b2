"""own-thresholds: a stream or consumer breaks a threshold that it carries itself (`io.nats.monitor.*`)."""

from collections.abc import Iterator, Sequence

from diagmesh.contract.answers.streams import Streams, Threshold
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, each_answer, told, unseen
from diagmesh_rules._words import number

__all__ = ["own_thresholds"]


@rule(
    "JS-014",
    "A threshold of the stream itself is broken",
    severity=Severity.ERROR,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Streams,),
)
def own_thresholds(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """Streams and consumers keep within the thresholds that their own metadata sets."""
    for where, answer in each_answer(seen):
        assets = [(one.name, one.exceeded, one.unreadable, one.identity) for one in answer.streams]
        assets += [(one.full_name, one.exceeded, one.unreadable, one.identity) for one in answer.consumers]
        found = [
            one._replace(about=name, same=identity)
            for name, exceeded, unreadable, identity in assets
            for one in _judged(name, exceeded, unreadable)
        ]
        yield from told(where, found, unseen(answer, "consumers", "streams"))


def _judged(name: str, exceeded: Sequence[Threshold], unreadable: Sequence[str]) -> Iterator[Found]:
    stream, _, consumer = name.partition("/")
    names = {"ORDERS": stream, **({"worker": consumer} if consumer else {})}
    for one in exceeded:
        unit = " s" if one.unit == "s" else ""
        fact = Fact(what=f"{name}: {one.key}", value=one.value, unit=one.unit, limit=one.limit)
        title = f"{name} breaks its own {one.key}: {number(one.value, 6)}{unit} against {number(one.limit, 6)}{unit}"
        yield Found(title, (fact,), (), Severity.WARNING if one.warns else Severity.ERROR, names)
    for text in unreadable:
        yield Found(f"{name} has a threshold that cannot be read: {text}", (), (), Severity.WARNING, names)
