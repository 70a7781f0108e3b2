"""unlike-its-siblings: one replica uses far more or far less than the others of its service."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._usage import dead_share, growth, near_memory_limit
from diagmesh_rules._words import size

__all__ = ["SiblingLimits", "unlike_its_siblings"]

_SIGMA: Final = 1.4826  # of a normal distribution, per median absolute deviation
_LEAST_SCALE: Final = 0.05  # of the median: siblings that are all alike make no difference of a few percent an outlier
Group = Sequence[tuple[Key, Resources]]


class SiblingLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is unlike: all of these must hold.

    Args:
        least_siblings: fewer instances are not compared.
        sigmas: distance from the median, in robust standard deviations.
        times: so many times the median, or that part of it.
        memory_bytes: distance from the median of the resident size.
        cpu_cores: the same of the CPU used.
        descriptors_count: the same of the descriptors held.
        settled_s: a process that is younger is not judged: it may still fill its caches.
    """

    least_siblings: int = 4
    sigmas: float = 6.0
    times: float = 2.0
    memory_bytes: int = 64 << 20
    cpu_cores: float = 0.25
    descriptors_count: int = 50
    settled_s: float = 600.0


class _Measure(NamedTuple):
    """One thing that is compared: its value, the distance that matters, and what another rule tells better."""

    name: str
    unit: str
    value: Callable[[Resources], float | None]
    least: Callable[[SiblingLimits], float]
    told: Callable[[Resources], bool]
    words: Callable[[float], str]


def _cores(answer: Resources) -> float | None:
    return answer.cpu.cores_used if (answer.cpu.over_s or 0.0) >= 0.9 else None


def _memory_told(answer: Resources) -> bool:
    """RES-003 or RES-004 tell it, or will once it was watched for long enough."""
    trend, rss = answer.memory.trend, answer.memory.rss_bytes or 0
    return near_memory_limit(answer, 0.9) or (trend is not None and growth(trend) >= max(1.0, 0.05 * rss))


def _cpu_told(answer: Resources) -> bool:
    """RES-001 or RES-002 tell it."""
    cpu = answer.cpu
    of_cpus = (cpu.cores_used or 0.0) / cpu.allowed_cpus if cpu.allowed_cpus else 0.0
    throttled = max(cpu.throttled_share or 0.0, (cpu.lately and cpu.lately.throttled_share) or 0.0)
    return max(of_cpus, cpu.share_of_quota or 0.0) >= 0.9 or throttled >= 0.1


def _descriptors_told(answer: Resources) -> bool:
    """RES-005, RES-006 or RES-008 tell it."""
    told = answer.descriptors
    grows = told.trend is not None and growth(told.trend) >= 20
    return grows or (told.share_of_limit or 0.0) >= 0.8 or dead_share(answer) >= 0.5


_MEASURES: Final = (
    _Measure(
        "resident memory", "bytes", lambda one: one.memory.rss_bytes, lambda it: it.memory_bytes, _memory_told, size
    ),
    _Measure("CPU", "cores", _cores, lambda it: it.cpu_cores, _cpu_told, "{:.3g} cores".format),
    _Measure(
        "file descriptors",
        "count",
        lambda one: one.descriptors.held,
        lambda it: it.descriptors_count,
        _descriptors_told,
        "{:.0f}".format,
    ),
)


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
        unlike: dict[Key, list[tuple[float, str, Fact]]] = {}
        for measure in _MEASURES:
            for where, found in _unlike(measure, group, limits):
                unlike.setdefault(where, []).append(found)
        for where, answer in group:
            if where in unlike:
                worst_first = sorted(unlike[where], key=lambda one: -one[0])
                yield Hit(where=where, title=worst_first[0][1], evidence=tuple(one[2] for one in worst_first))
            elif missing := [measure.name for measure in _MEASURES if measure.value(answer) is None]:
                yield Unjudged(where=where, why=f"not seen of it: {', '.join(missing)}")


def _unlike(measure: _Measure, group: Group, limits: SiblingLimits) -> Iterator[tuple[Key, tuple[float, str, Fact]]]:
    """Who is far from the median: how far, in words, and as a fact."""
    values = [(key, answer, value) for key, answer in group if (value := measure.value(answer)) is not None]
    if len(values) < limits.least_siblings:
        return
    middle = median(value for _, _, value in values)
    spread = _SIGMA * median(abs(value - middle) for _, _, value in values)
    scale = max(spread, _LEAST_SCALE * middle)
    for key, answer, value in values:
        far = abs(value - middle)
        times = value >= limits.times * middle or value * limits.times <= middle
        if times and far >= max(limits.sigmas * scale, measure.least(limits)) and not measure.told(answer):
            words = (
                f"{measure.name} {measure.words(value)}, its siblings {measure.words(middle)} (median of {len(values)})"
            )
            fact = Fact(what=f"{measure.name} (median {measure.words(middle)})", value=value, unit=measure.unit)
            yield key, (far / (scale or far), words, fact)
