"""gc-pressure: the garbage collector of a Go service takes much of the CPU that the service uses."""

from collections.abc import Iterator
from enum import StrEnum

from diagmesh.contract.answers.runtime import Runtime
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._words import number, percent

__all__ = ["PressureLimits", "gc_pressure"]

_MIB = 1 << 20
_YOUNG_S = 30.0
_UNTOLD = "its pages do not tell how much the collector takes (give [targets.go] expvar or pprof)"


class PressureLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much collecting is too much.

    Args:
        share: of the CPU that the process uses, taken by the collector.
        near_limit_share: the same while the memory limit (GOMEMLIMIT) is nearly used.
        available_share: of the CPU that it might use (GOMAXPROCS), where its own use is not seen.
        error_share: from here it is an error.
        least_cores: a collector that takes less than so many cores disturbs nobody.
        least_per_s: nor does one that collects less often.
        near_limit: of GOMEMLIMIT in use, where that is the cause.
        small_gogc_percent: a GOGC below that is the cause.
        small_target_bytes: as is so small a target of the heap.
        least_over_s: a shorter time may be a burst.
    """

    share: float = 0.2
    near_limit_share: float = 0.1
    available_share: float = 0.1
    error_share: float = 0.4
    least_cores: float = 0.1
    least_per_s: float = 0.5
    near_limit: float = 0.9
    small_gogc_percent: int = 50
    small_target_bytes: int = 32 * _MIB
    least_over_s: float = 10.0


class _Cause(StrEnum):
    LIMIT = "its memory limit is nearly used"
    GOGC = "GOGC is small"
    TARGET = "its heap is small for what it allocates"
    RATE = "it allocates much"


_NOW = {
    _Cause.LIMIT: "give it more memory, or take the growth out of it: near GOMEMLIMIT collecting costs more and more",
    _Cause.GOGC: "raise GOGC (100 is usual), with GOMEMLIMIT as the bound where memory is scarce",
    _Cause.TARGET: "give the heap room: GOGC=400, or GOGC=off with GOMEMLIMIT, where there is memory",
    _Cause.RATE: "see what allocates: diagmesh profile {0} --type allocs --seconds 5s",
}


@rule(
    "GO-005",
    "Garbage is collected too often",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Runtime,),
    limits=PressureLimits(),
)
def gc_pressure(seen: Evidence, limits: PressureLimits) -> Iterator[Hit | Unjudged]:
    """The garbage collector of no Go service takes a fifth of the CPU that the service uses."""
    for where, answer in seen.each(Runtime):
        per_s, cause = answer.gc.cycles_per_s, _cause(answer, limits)
        if per_s is not None and per_s < limits.least_per_s:
            continue
        share, limit, of = _share(answer, cause, limits)
        if per_s is None or share is None:
            yield Unjudged(where=where, why=_UNTOLD)
            continue
        cores = answer.gc.cpu_cores
        if share < limit or (cores is not None and cores < limits.least_cores):
            continue
        over_s = answer.rates.over_s or 0.0
        if over_s < limits.least_over_s:
            young = (answer.rates.watched_s or 0.0) < limits.least_over_s + _YOUNG_S
            why = f"its garbage collector was seen over less than {limits.least_over_s:g} s"
            yield Unjudged(where=where, why=why, again_in_s=limits.least_over_s - over_s if young else None)
            continue
        title = f"garbage is collected {number(per_s)} times a second, for {percent(share)} of {of}: {cause}"
        severity = Severity.ERROR if share >= limits.error_share else Severity.WARNING
        facts, now = tuple(_facts(answer, share, limit)), _NOW[cause].format("/".join(where))
        yield Hit(where=where, title=title, evidence=facts, severity=severity, now=(now,))


def _share(answer: Runtime, cause: _Cause, limits: PressureLimits) -> tuple[float | None, float, str]:
    """What the collector takes, from where on that is too much, and of what it is a share."""
    if answer.gc.cpu_share is not None:
        least = limits.near_limit_share if cause is _Cause.LIMIT else limits.share
        return answer.gc.cpu_share, least, "its CPU"
    return answer.gc.available_share, limits.available_share, "the CPU that it may use"


def _cause(answer: Runtime, limits: PressureLimits) -> _Cause:
    """What makes it collect so often, the nearest cause first."""
    gc, memory = answer.gc, answer.memory
    if memory.share_of_soft is not None and memory.share_of_soft >= limits.near_limit:
        return _Cause.LIMIT
    if gc.gogc_percent is not None and gc.gogc_percent < limits.small_gogc_percent:
        return _Cause.GOGC
    if gc.target_bytes is not None and gc.target_bytes <= limits.small_target_bytes:
        return _Cause.TARGET
    return _Cause.RATE


def _facts(answer: Runtime, share: float, limit: float) -> Iterator[Fact]:
    gc, heap, memory = answer.gc, answer.heap, answer.memory
    yield Fact(what="CPU used by the collector", value=share, unit="share", limit=limit)
    if gc.cpu_cores is not None:
        yield Fact(what="that is", value=gc.cpu_cores, unit="cores")
    yield Fact(what="collections", value=gc.cycles_per_s, unit="/s")
    if heap.allocated_bytes_per_s is not None:
        yield Fact(what="allocated", value=heap.allocated_bytes_per_s, unit="bytes/s")
    if gc.target_bytes is not None:
        yield Fact(what="next collection at a heap of", value=float(gc.target_bytes), unit="bytes")
    if gc.gogc_percent is not None:
        yield Fact(what="GOGC", value=str(gc.gogc_percent))
    if memory.soft_bytes is not None:
        used = float(memory.used_bytes) if memory.used_bytes is not None else None
        yield Fact(what="used of GOMEMLIMIT", value=used, unit="bytes", limit=float(memory.soft_bytes))
    if gc.paused_share is not None:
        yield Fact(what="all goroutines stood still", value=gc.paused_share, unit="share")
    yield Fact(what="over", value=answer.rates.over_s, unit="s")
