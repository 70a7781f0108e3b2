"""no-stream: no stream takes a subject that the service publishes to, or a stream that it uses is not there."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, each_answer, told, unseen

__all__ = ["no_stream"]


@rule(
    "JS-013",
    "No stream for a subject",
    severity=Severity.ERROR,
    issue=FindingClass.MESSAGE_LOSS,
    reads=(Streams,),
)
def no_stream(seen: Evidence, _: Limits) -> Iterator[Hit | Unjudged]:
    """Every stream, consumer and subject that the settings name for the service is there."""
    for where, answer in each_answer(seen):
        found = [
            Found(
                f"no stream takes {subject}: what is published there is lost",
                (Fact(what="no stream takes", value=subject),),
                names={"orders.new": subject},
                about=subject,
            )
            for subject in answer.unheard_subjects
        ]
        found += [
            Found(
                f"there is no {'consumer' if '/' in name else 'stream'} {name}",
                (Fact(what="not there", value=name),),
                about=name,
            )
            for name in answer.missing
        ]
        yield from told(where, found, unseen(answer, "which stream takes a subject"))
