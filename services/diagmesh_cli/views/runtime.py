"""`runtime`: what the Go runtime does now, what became of it, and against which limits."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import Trend
from diagmesh.contract.answers.runtime import Known, Past, Runtime
from diagmesh_cli.views.parts import blind_lines
from diagmesh_cli.views.spark import Spark
from diagmesh_cli.views.stacks import short
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, amount, cores, duration, plural, quantity, share, size, took

__all__ = ["VIEW"]

_MOST_VALUES: Final = 16
"""Of the past, the last ones are drawn; the JSON has them all."""
_MUCH: Final = 0.2
_NEAR: Final = 0.9
_HOW: Final = {
    Known.TOLD: "",
    Known.ENVIRONMENT: "set in its environment",
    Known.DEFAULT: "what this Go takes by itself",
}
Line = tuple[str, str | Text, Sequence[float | None], str]


def _page(answer: Runtime) -> RenderableType:
    head = Text(" · ".join(_headline(answer)), "dim")
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("NOW", no_wrap=True, justify="right")
    table.add_column("PAST", no_wrap=True)
    table.add_column("MORE", overflow="fold")
    past = answer.past or Past(every_s=1.0)
    for name, now, values, more in (*_heap(answer, past), *_collector(answer, past), *_bounds(answer)):
        table.add_row(name, now, Spark(values, _MOST_VALUES) if values else "", more)
    told = Text(_sources(answer), "dim")
    return Group(head, Text(), table, Text(), *_grown(answer), told, *blind_lines(answer.blind))


def _headline(answer: Runtime) -> Iterator[str]:
    yield answer.version or "a Go of unknown version"
    if (rates := answer.rates).over_s is not None:
        yield f"rates over {duration(rates.over_s)}"
    if answer.past is not None:
        yield f"past over {duration(answer.past.every_s * min(_MOST_VALUES, len(answer.past.goroutines)))}"


def _heap(answer: Runtime, past: Past) -> Iterator[Line]:
    heap = answer.heap
    yield "goroutines", amount(answer.goroutines), past.goroutines, _trend(answer.goroutines_trend, "")
    yield "heap live", size(heap.live_bytes), past.live_bytes, _trend(heap.trend, "bytes")
    parts = ((heap.idle_bytes, "idle"), (heap.released_bytes, "given back"), (heap.stacks_bytes, "stacks"))
    more = _more(*(f"{size(value)} {name}" for value, name in parts if value is not None))
    objects = plural(heap.objects, "object") if heap.objects is not None else ""
    yield "heap in use", size(heap.in_use_bytes), (), _more(objects, more)
    total = f"{size(heap.total_allocated_bytes)} so far" if heap.total_allocated_bytes is not None else ""
    yield "allocated", quantity(heap.allocated_bytes_per_s, "bytes/s"), past.allocated_bytes_per_s, total


def _grown(answer: Runtime) -> Iterator[RenderableType]:
    """By whom a growing heap is made to grow."""
    if (grown := answer.heap.grown) is None:
        return
    yield Text(f"heap grew by {size(grown.grown_bytes)} in {duration(grown.over_s)}, {duration(grown.age_s)} ago:")
    for row in grown.rows:
        at = f"  {row.file.rpartition('/')[2]}:{row.line}" if row.file else ""
        yield Text(f"  {share(row.flat_share):>6}  {short(row.function) or row.name}{at}")
    yield Text()


def _collector(answer: Runtime, past: Past) -> Iterator[Line]:
    gc = answer.gc
    target = f"next at {size(gc.target_bytes)}" if gc.target_bytes is not None else ""
    last = f"last {duration(gc.last_age_s)} ago" if gc.last_age_s is not None else ""
    gogc = "GOGC off" if gc.off else f"GOGC {gc.gogc_percent}" if gc.gogc_percent is not None else ""
    count = f"{amount(gc.cycles)} so far" if gc.cycles is not None else ""
    yield "collections", quantity(gc.cycles_per_s, "/s"), past.cycles_per_s, _more(gogc, target, last, count)
    used = f"{cores(gc.cpu_cores)} cores" if gc.cpu_cores is not None else ""
    might = f"{share(gc.available_share)} of what it may use" if gc.available_share is not None else ""
    yield "their CPU", _much(gc.cpu_share), past.gc_available_share, _more(used, might)
    if (pauses := gc.pauses) is not None:
        most = f"p99 {_pause(pauses.p99_ms)}" if pauses.p99_ms is not None else ""
        longest = f"longest {_pause(pauses.most_ms)}" if pauses.most_ms is not None else ""
        of = f"of {pauses.count} over {duration(pauses.over_s)}" if pauses.count is not None else ""
        yield "pause p50", _pause(pauses.p50_ms), (), _more(most, longest, of)


def _bounds(answer: Runtime) -> Iterator[Line]:
    scheduler, memory = answer.scheduler, answer.memory
    how = _HOW[scheduler.known] if scheduler.known is not None else ""
    quota = {Bound.LIMITED: f"quota {cores(scheduler.quota_cores)}", Bound.UNLIMITED: "no quota"}.get(
        scheduler.bound, ""
    )
    cpus = f"{scheduler.allowed_cpus} CPUs" if scheduler.allowed_cpus is not None else ""
    used = f"{cores(scheduler.cores_used)} cores used" if scheduler.cores_used is not None else ""
    stopped = f"throttled in {share(scheduler.throttled_share)} of periods" if scheduler.throttled_share else ""
    yield "GOMAXPROCS", amount(scheduler.gomaxprocs), (), _more(how, cpus, quota, used, stopped)
    created = f"{scheduler.threads_created} ever made by Go" if scheduler.threads_created is not None else ""
    yield "threads", amount(scheduler.threads), (), created
    limit = (
        size(memory.soft_bytes) if memory.soft_bytes is not None else "none" if memory.limited is False else "unknown"
    )
    soft = f"GOMEMLIMIT {limit}" + (f", {share(memory.share_of_soft)} of it" if memory.share_of_soft else "")
    left = f"{size(memory.headroom_bytes)} left ({memory.headroom_of})" if memory.headroom_bytes is not None else ""
    yield "memory", _near(size(memory.used_bytes), memory.share_of_soft), (), _more(soft, left)


def _sources(answer: Runtime) -> str:
    """Where it was seen: each source once."""
    parts: dict[str, list[str]] = {}
    for part, source in answer.sources.items():
        parts.setdefault(source, []).append(part.rpartition(".")[2].removesuffix("_bytes"))
    return "seen in " + "; ".join(f"{source}: {', '.join(names)}" for source, names in parts.items()) if parts else ""


def _trend(trend: Trend | None, unit: str) -> str:
    """Only clear growth is worth a word."""
    if trend is None or trend.slope_low <= 0:
        return ""
    per_minute = size(60 * trend.slope) if unit == "bytes" else amount(60 * trend.slope)
    until = trend.to_limit
    said = f"grows {per_minute}/min over {duration(trend.over_s)}"
    return f"{said}, {until.limit} in {duration(until.likely_s)}" if until is not None else said


def _much(value: float | None) -> Text:
    return Text(share(value), "yellow" if (value or 0.0) >= _MUCH else "")


def _near(text: str, of_limit: float | None) -> Text:
    return Text(text, "yellow" if (of_limit or 0.0) >= _NEAR else "")


def _pause(ms: float | None) -> str:
    """Most pauses of Go are a matter of microseconds: ``43 µs``, ``1.2 ms``."""
    return f"{1000 * ms:.0f} µs" if ms is not None and ms < 1 else took(ms)


def _more(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _row(answer: Runtime) -> tuple[Cell, ...]:
    gc, scheduler = answer.gc, answer.scheduler
    quota = "" if scheduler.quota_cores is None else f"/{scheduler.quota_cores:g}"
    return (
        Text(amount(answer.goroutines)),
        Text(size(answer.heap.live_bytes if answer.heap.live_bytes is not None else answer.heap.in_use_bytes)),
        Text(quantity(answer.heap.allocated_bytes_per_s, "bytes/s")),
        Text(quantity(gc.cycles_per_s, "/s")),
        _much(gc.cpu_share),
        Text(_pause(gc.pauses.p99_ms) if gc.pauses is not None else MISSING),
        Text(f"{amount(scheduler.gomaxprocs)}{quota}"),
        Text(answer.version),
    )


def _limits(answer: Runtime) -> dict[str, float]:
    return {"heap.live_bytes": float(answer.memory.soft_bytes)} if answer.memory.soft_bytes is not None else {}


_COLUMNS: Final = ("GOR", "HEAP", "ALLOC", "GC", "GC CPU", "P99", "PROCS", "GO")
_WATCHED: Final = (
    "goroutines",
    "heap.live_bytes",
    "heap.allocated_bytes_per_s",
    "gc.cycles_per_s",
    "gc.cpu_share",
)
VIEW: Final = View(answer=Runtime, columns=_COLUMNS, row=_row, page=_page, watched=_WATCHED, limits=_limits)
