"""What of replicas is compared, and what of it other rules tell better."""

from collections.abc import Callable
from typing import Final, NamedTuple

from diagmesh.contract.answers.resources import Resources
from diagmesh.declare import Limits
from diagmesh_rules._usage import dead_share, growth, near_memory_limit
from diagmesh_rules._words import number, size

__all__ = ["CPU", "MEASURES", "MEMORY", "Measure", "SiblingLimits"]

MEMORY: Final = "resident memory"
CPU: Final = "CPU"


class SiblingLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is unlike: all of these must hold.

    Args:
        least_siblings: fewer instances are not compared.
        sigmas: distance from the median, in robust standard deviations.
        times: so many times the median, or that part of it.
        odd_share: where more of the replicas differ to one side they are of another kind (a canary, another node type).
        memory_bytes: distance from the median of the resident size.
        cpu_cores: the same of the CPU used.
        descriptors_count: the same of the descriptors held.
        settled_s: a process that is younger is not judged: it may still fill its caches.
        age_share: one that is so much younger than its siblings may have less memory: its caches are not as full.
        cpu_over_s: the use of CPU over a shorter time is a burst.
    """

    least_siblings: int = 4
    sigmas: float = 6.0
    times: float = 2.0
    odd_share: float = 0.25
    memory_bytes: int = 64 << 20
    cpu_cores: float = 0.25
    descriptors_count: int = 50
    settled_s: float = 600.0
    age_share: float = 0.5
    cpu_over_s: float = 10.0


class Measure(NamedTuple):
    """One thing that is compared: its value, the distance that matters, and what another rule tells better."""

    name: str
    unit: str
    value: Callable[[Resources, SiblingLimits], float | None]
    least: Callable[[SiblingLimits], float]
    told: Callable[[Resources], bool]
    words: Callable[[float], str]


def _cores(answer: Resources, limits: SiblingLimits) -> float | None:
    lately = answer.cpu.lately
    return lately.cores_used if lately is not None and lately.over_s >= limits.cpu_over_s else None


def _memory_told(answer: Resources) -> bool:
    """RES-003 or RES-004 tell it, or will once it was watched for long enough."""
    trend, rss = answer.memory.trend, answer.memory.rss_bytes or 0
    return near_memory_limit(answer, 0.9) or (trend is not None and growth(trend) >= max(1.0, 0.05 * rss))


def _cpu_told(answer: Resources) -> bool:
    """RES-001 or RES-002 tell it."""
    cpu = answer.cpu
    lately = cpu.lately
    if lately is None:
        return False
    of_cpus = lately.cores_used / cpu.allowed_cpus if cpu.allowed_cpus else 0.0
    return max(of_cpus, lately.share_of_quota or 0.0) >= 0.9 or (lately.throttled_share or 0.0) >= 0.1


def _descriptors_told(answer: Resources) -> bool:
    """RES-005, RES-006 or RES-008 tell it."""
    told = answer.descriptors
    grows = told.trend is not None and growth(told.trend) >= 20
    return grows or (told.share_of_limit or 0.0) >= 0.8 or dead_share(answer) >= 0.5


MEASURES: Final = (
    Measure(MEMORY, "bytes", lambda one, _: one.memory.rss_bytes, lambda it: it.memory_bytes, _memory_told, size),
    Measure(CPU, "cores", _cores, lambda it: it.cpu_cores, _cpu_told, lambda cores: f"{number(cores)} cores"),
    Measure(
        "file descriptors",
        "count",
        lambda one, _: one.descriptors.held,
        lambda it: it.descriptors_count,
        _descriptors_told,
        "{:.0f}".format,
    ),
)
