"""unlike-its-siblings: one replica uses far more or far less than the others of its service."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._siblings import CPU, MEASURES, MEMORY, Measure, SiblingLimits
from diagmesh_rules._usage import cpu_too_short

__all__ = ["SiblingLimits", "unlike_its_siblings"]

_SIGMA: Final = 1.4826  # of a normal distribution, per median absolute deviation
_LEAST_SCALE: Final = 0.05  # of the median: siblings that are all alike make no difference of a few percent an outlier
Group = Sequence[tuple[Key, Resources]]


class _Found(NamedTuple):
    """One thing in which a replica is unlike the others: how far, in words, and as a fact."""

    sigmas: float
    words: str
    fact: Fact


@rule(
    "MESH-003",
    "Replica is unlike its siblings",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Resources,),
    limits=SiblingLimits(),
    over_many=True,
)
def unlike_its_siblings(seen: Evidence, limits: SiblingLimits) -> Iterator[Hit | Unjudged]:
    """Among four or more settled replicas of a service each uses about as much as the others."""
    for _, everybody in seen.siblings(Resources):
        group = [one for one in everybody if one[1].process.uptime_s >= limits.settled_s]
        if len(group) < limits.least_siblings:
            continue
        unlike: dict[Key, list[_Found]] = {}
        for measure in MEASURES:
            for where, found in _unlike(measure, group, limits):
                unlike.setdefault(where, []).append(found)
        for where, answer in group:
            if where in unlike:
                worst_first = sorted(unlike[where], key=lambda one: -one.sigmas)
                yield Hit(where=where, title=worst_first[0].words, evidence=tuple(one.fact for one in worst_first))
            elif missing := [measure.name for measure in MEASURES if measure.value(answer, limits) is None]:
                if missing == [CPU]:
                    yield cpu_too_short(answer, limits.cpu_over_s).at(where)
                else:
                    yield Unjudged(where=where, why=f"not seen of it: {', '.join(missing)}")


def _unlike(measure: Measure, group: Group, limits: SiblingLimits) -> list[tuple[Key, _Found]]:
    """Who is far from the median, unless they are so many that they are another kind of replica."""
    values = [(key, answer, value) for key, answer in group if (value := measure.value(answer, limits)) is not None]
    if len(values) < limits.least_siblings:
        return []
    middle = median(value for _, _, value in values)
    spread = _SIGMA * median(abs(value - middle) for _, _, value in values)
    scale = max(spread, _LEAST_SCALE * middle)
    sides: dict[bool, list[tuple[Key, Resources, float]]] = {False: [], True: []}
    for key, answer, value in values:
        times = value >= limits.times * middle or value * limits.times <= middle
        if times and abs(value - middle) >= max(limits.sigmas * scale, measure.least(limits)):
            sides[value > middle].append((key, answer, value))
    age_s = median(answer.process.uptime_s for _, answer in group)
    return [
        (key, _found(measure, value, middle, len(values), scale))
        for side in sides.values()
        if len(side) <= limits.odd_share * len(values)
        for key, answer, value in side
        if not measure.told(answer) and not _filling(measure, answer, value < middle, limits.age_share * age_s)
    ]


def _filling(measure: Measure, answer: Resources, less: bool, old_s: float) -> bool:
    """Whether it has less memory because its caches are not yet as full as those of its siblings."""
    return measure.name == MEMORY and less and answer.process.uptime_s < old_s


def _found(measure: Measure, value: float, middle: float, count: int, scale: float) -> _Found:
    far = abs(value - middle)
    words = f"{measure.name} {measure.words(value)}, its siblings {measure.words(middle)} (median of {count})"
    fact = Fact(what=f"{measure.name} (median {measure.words(middle)})", value=value, unit=measure.unit)
    return _Found(far / (scale or far), words, fact)
