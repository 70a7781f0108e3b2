"""descriptors-near-limit: an instance holds nearly as many file descriptors as it may."""

from collections.abc import Iterator

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._usage import blind_words, dead_share
from diagmesh_rules._words import percent

__all__ = ["DescriptorLimits", "descriptors_near_limit"]


class DescriptorLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How near is too near: descriptors held to the soft limit of the process.

    Args:
        near_share: from here it is a warning.
        error_share: from here it is an error.
        dead_share: where so much of it are connections that the program does not close, RES-008 tells it instead.
    """

    near_share: float = 0.8
    error_share: float = 0.95
    dead_share: float = 0.5


@rule(
    "RES-005",
    "File descriptors are near their limit",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Resources,),
    limits=DescriptorLimits(),
)
def descriptors_near_limit(seen: Evidence, limits: DescriptorLimits) -> Iterator[Hit | Unjudged]:
    """Every instance can open many more files and connections."""
    for where, answer in seen.each(Resources):
        told = answer.descriptors
        share = told.share_of_limit
        if share is None:
            if told.bound is not Bound.UNLIMITED:
                words = "the descriptors that it holds, or their limit, could not be seen"
                yield Unjudged(where=where, why=blind_words(answer, "descriptors", words))
        elif share >= limits.near_share and dead_share(answer) < limits.dead_share:
            facts = [
                Fact(what="descriptors held", value=told.held, unit="count", limit=told.soft_limit),
                Fact(what="share of the limit", value=share, unit="share", limit=limits.near_share),
            ]
            if told.hard_limit is not None:
                facts.append(Fact(what="hard limit", value=told.hard_limit, unit="count"))
            if answer.sockets is not None:
                facts.append(Fact(what="sockets among them", value=answer.sockets.total, unit="count"))
            yield Hit(
                where=where,
                title=f"holds {told.held} of {told.soft_limit} file descriptors ({percent(share)})",
                evidence=tuple(facts),
                severity=Severity.ERROR if share >= limits.error_share else Severity.WARNING,
            )
