"""too-many-subjects: a stream holds so many distinct subjects that its server needs much memory for them."""

from collections.abc import Iterator

from diagmesh.contract.answers.streams import Streams
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, each_answer, told, unseen

__all__ = ["SubjectLimits", "too_many_subjects"]


class SubjectLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many are too many.

    Args:
        subjects_count: distinct subjects in one stream.
    """

    subjects_count: int = 1_000_000


@rule(
    "JS-015",
    "Stream has too many subjects",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Streams,),
    limits=SubjectLimits(),
)
def too_many_subjects(seen: Evidence, limits: SubjectLimits) -> Iterator[Hit | Unjudged]:
    """No stream holds a million distinct subjects."""
    for where, answer in each_answer(seen):
        found = [
            Found(
                f"{one.name} holds messages of {one.distinct_subjects} subjects",
                (Fact(what=f"{one.name}: subjects", value=one.distinct_subjects, limit=limits.subjects_count),),
                names={"ORDERS": one.name},
                about=one.name,
                same=one.identity,
            )
            for one in answer.streams
            if one.distinct_subjects >= limits.subjects_count
        ]
        yield from told(where, found, unseen(answer, "streams"))
