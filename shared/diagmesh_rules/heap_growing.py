"""heap-growing: what survives the garbage collections of a Go service grows, and will meet its limit within a day."""

from collections.abc import Iterator

from diagmesh.contract.answers.profile import Row
from diagmesh.contract.answers.resources import ToLimit, Trend
from diagmesh.contract.answers.runtime import Runtime
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._profiles import place
from diagmesh_rules._words import duration, percent, size

__all__ = ["HeapLimits", "heap_growing"]

_GOES_ON_SHARE = 0.5
_STILL_THERE_SHARE = 0.9
_YOUNG_S = 30.0
_AGAIN_S = 5.0
_MIB = 1 << 20
_MUCH_SHARE = 0.25
_PROFILE = "diagmesh profile {0} --type heap, and in some minutes the same with --base previous: what grew, and where"


class HeapLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which growth is worth telling.

    Args:
        horizon_s: it would meet its limit within this time.
        error_s: within this time it is an error.
        least_over_s: it was watched for so long; a start grows, too.
        grown_share: of the live heap, by which it surely grew in that time.
        grown_bytes: and by so much at least.
    """

    horizon_s: float = 86_400.0
    error_s: float = 900.0
    least_over_s: float = 60.0
    grown_share: float = 0.2
    grown_bytes: int = 16 * _MIB


@rule(
    "GO-004",
    "Heap grows and is not released",
    severity=Severity.WARNING,
    issue=FindingClass.MEMORY_LEAK,
    reads=(Runtime,),
    limits=HeapLimits(),
)
def heap_growing(seen: Evidence, limits: HeapLimits) -> Iterator[Hit | Unjudged]:
    """What survives the garbage collections of no Go service grows so that it meets its limit within a day."""
    for where, answer in seen.each(Runtime):
        heap, trend = answer.heap, answer.heap.trend
        if heap.in_use_bytes is not None and heap.in_use_bytes < limits.grown_bytes:
            continue  # it is too small to have grown by so much
        if trend is None:
            words, again_in_s = _no_trend(answer)
            yield Unjudged(where=where, why=words, again_in_s=again_in_s)
            continue
        until = trend.to_limit
        if not _grows(answer, trend, limits):
            continue
        if until is None and answer.memory.headroom_bytes is None and answer.memory.soft_bytes is None:
            yield Unjudged(where=where, why="growth of its heap was seen, but no limit of it")
        elif until is None or until.earliest_s > limits.horizon_s:
            continue  # however uncertain the look is: even at its steepest it would not get there
        elif trend.over_s < limits.least_over_s:
            young = (answer.rates.watched_s or 0.0) < limits.least_over_s + _YOUNG_S
            why = f"growth of its heap was seen, but watched for less than {limits.least_over_s:g} s"
            yield Unjudged(where=where, why=why, again_in_s=limits.least_over_s - trend.over_s if young else None)
        elif until.likely_s <= limits.horizon_s:
            title = f"live heap grows by {size(60 * trend.slope)}/min, {until.limit} met in {duration(until.likely_s)}"
            yield Hit(
                where=where,
                title=title + _whose(answer),
                evidence=(*_facts(answer, trend, until, limits), *_allocated(answer)),
                severity=Severity.ERROR if until.likely_s <= limits.error_s else Severity.WARNING,
                now=() if answer.heap.grown is not None else (_PROFILE.format("/".join(where)),),
            )


def _grows(answer: Runtime, trend: Trend, limits: HeapLimits) -> bool:
    """Whether it surely grew by what counts, none of it was released, and it goes on; a short look needs less."""
    live = answer.heap.live_bytes or 0
    if live < _STILL_THERE_SHARE * (answer.heap.live_most_bytes or 0):
        return False
    if trend.late_slope is not None and trend.late_slope < _GOES_ON_SHARE * trend.slope:
        return False  # caches fill, then stay
    least = max(limits.grown_bytes, limits.grown_share * live) * min(1.0, trend.over_s / limits.least_over_s)
    return max(0.0, trend.slope_low) * trend.over_s >= least


def _whose(answer: Runtime) -> str:
    """Who allocates what stays, where one function stands out."""
    row = _most(answer)
    return f"; {percent(row.flat_share)} of it allocated in {place(row)}" if row is not None else ""


def _most(answer: Runtime) -> Row | None:
    rows = answer.heap.grown.rows if answer.heap.grown is not None else ()
    return rows[0] if rows and rows[0].flat_share >= _MUCH_SHARE else None


def _allocated(answer: Runtime) -> Iterator[Fact]:
    """The growth between two heap profiles, by whoever allocated it."""
    grown = answer.heap.grown
    if grown is None:
        return
    yield Fact(
        what=f"grown in {duration(grown.over_s)} between two heap profiles", value=grown.grown_bytes, unit="bytes"
    )
    for row in grown.rows:
        yield Fact(what=f"of that, {place(row)}", value=row.flat_share, unit="share")
    row = grown.rows[0]
    yield Fact(what="function", value=row.function or row.name)
    yield Fact(what="at", value=f"{row.file}:{row.line}")


def _no_trend(answer: Runtime) -> tuple[str, float | None]:
    """Why there is no trend of the live heap, and when there is one if time alone is missing."""
    watched_s = answer.rates.watched_s or 0.0
    if answer.gc.off:
        return "GOGC is off, so that nothing tells what survives a collection", None
    if answer.heap.live_bytes is not None:
        return "there are too few looks at its heap for a trend yet", _AGAIN_S if watched_s < _YOUNG_S else None
    if answer.memory.soft_bytes is not None:
        return "it is near its memory limit (GOMEMLIMIT), so that nothing tells what survives a collection", None
    return "its pages do not tell what survives a collection (give [targets.go] expvar or pprof)", None


def _facts(answer: Runtime, trend: Trend, until: ToLimit, limits: HeapLimits) -> Iterator[Fact]:
    heap = answer.heap
    yield Fact(what="live heap", value=heap.live_bytes, unit="bytes")
    yield Fact(what="slope", value=trend.slope, unit="bytes/s")
    yield Fact(what="slope, at least (95 %)", value=trend.slope_low, unit="bytes/s")
    yield Fact(what="watched for", value=trend.over_s, unit="s")
    yield Fact(what=f"left until {until.limit}", value=until.headroom, unit="bytes")
    yield Fact(what="time left, likely", value=until.likely_s, unit="s", limit=limits.horizon_s)
    if heap.objects is not None:
        yield Fact(what="objects", value=float(heap.objects))
    if answer.goroutines is not None:
        yield Fact(what="goroutines", value=float(answer.goroutines))
    if answer.gc.cycles is not None:
        yield Fact(what="collections so far", value=float(answer.gc.cycles))
