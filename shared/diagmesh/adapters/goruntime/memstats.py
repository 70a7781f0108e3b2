"""``runtime.MemStats``, as expvar tells it in JSON and as the end of ``pprof/heap?debug=1`` tells it in text."""

import re
from typing import Any, Final

import msgspec

from diagmesh.errors import NotGoPage
from diagmesh.goruntime import Pause

__all__ = ["fields_of_expvar", "fields_of_heap_text"]

_KEPT: Final = 256
"""So many pauses the runtime keeps; the one of cycle n stands at (n + 255) % 256 (runtime.MemStats.PauseNs)."""
_NS: Final = 1e9
_TRAILER: Final = b"# runtime.MemStats"
_LINE: Final = re.compile(rb"^# (\w+) = ([^\n]{1,12000})$", re.MULTILINE)
_STACK: Final = "Stack"


class _MemStats(msgspec.Struct, rename="pascal", gc=False):
    """The fields that are told here, under their names in Go."""

    total_alloc: int
    sys: int
    heap_alloc: int
    heap_idle: int
    heap_inuse: int
    heap_released: int
    heap_objects: int
    mallocs: int
    stack_inuse: int = msgspec.field(name="StackInuse")
    next_gc: int = msgspec.field(name="NextGC")
    last_gc: int = msgspec.field(name="LastGC")
    pause_ns: list[int]
    pause_end: list[int]
    num_gc: int = msgspec.field(name="NumGC")
    num_forced_gc: int = msgspec.field(name="NumForcedGC", default=0)
    pause_total_ns: int | None = None
    gc_cpu_fraction: float | None = msgspec.field(name="GCCPUFraction", default=None)


class _Vars(msgspec.Struct, gc=False):
    """What matters here of all variables; whatever else the service publishes is skipped, not decoded."""

    memstats: _MemStats | None = None
    goroutines: msgspec.Raw = msgspec.Raw(b"null")


_VARS: Final = msgspec.json.Decoder(_Vars)
_COUNT: Final = re.compile(rb"\d{1,12}\Z")


def fields_of_expvar(body: bytes) -> dict[str, Any]:
    """The fields of a `GoLook` that ``/debug/vars`` tells.

    Raises:
        NotGoPage: it is not what expvar writes, or has no ``memstats``.
    """
    try:
        told = _VARS.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise NotGoPage(f"the page at expvar of [targets.go] is not what Go writes: {error}") from None
    if told.memstats is None:
        raise NotGoPage("the page at expvar of [targets.go] has no memstats, which Go's expvar always has")
    fields = _fields(told.memstats)
    if _COUNT.match(bytes(told.goroutines)):  # a widespread habit, and by that name it is nothing else
        fields["goroutines"] = int(bytes(told.goroutines))
    return fields


def fields_of_heap_text(body: bytes) -> dict[str, Any]:
    """The same, by the end of a heap profile in text (runtime/pprof.writeHeapInternal).

    Raises:
        NotGoPage: it has no such end.
    """
    _, found, trailer = body.rpartition(_TRAILER)
    words: dict[str, Any] = {}
    for name, value in _LINE.findall(trailer if found else b""):
        words[name.decode()] = _value(value)
    try:
        if isinstance(stack := words.get(_STACK), str):  # "inuse / sys"
            words["StackInuse"] = int(stack.partition("/")[0] or 0)
        return _fields(msgspec.convert(words, _MemStats, strict=False))
    except (msgspec.ValidationError, ValueError):
        raise NotGoPage("the heap profile of the service does not end with the memory statistics of Go") from None


def _value(text: bytes) -> Any:
    if text.startswith(b"["):
        return text.strip(b"[]").decode("ascii", "replace").split()
    return text.decode("ascii", "replace").replace(" ", "")


def _fields(seen: _MemStats) -> dict[str, Any]:
    pauses = _pauses(seen)
    fields: dict[str, Any] = {
        "heap_in_use_bytes": seen.heap_inuse,
        "heap_idle_bytes": seen.heap_idle,
        "heap_released_bytes": seen.heap_released,
        "heap_allocated_bytes": seen.heap_alloc,
        "heap_objects": seen.heap_objects,
        "stacks_bytes": seen.stack_inuse,
        "runtime_bytes": seen.sys - seen.heap_released,
        "allocated_bytes": seen.total_alloc,
        "allocations": seen.mallocs,
        "gc_target_bytes": seen.next_gc,
        "gc_cycles": seen.num_gc,
        "gc_forced": seen.num_forced_gc,
        "gc_ended_at": seen.last_gc / _NS,
        "gc_cpu_share": seen.gc_cpu_fraction,
        "pauses": pauses,
    }
    if seen.pause_total_ns is not None:
        fields["gc_paused_s"] = seen.pause_total_ns / _NS
    elif seen.num_gc <= _KEPT:
        fields["gc_paused_s"] = sum(one.took_s for one in pauses)
    return fields


def _pauses(seen: _MemStats) -> tuple[Pause, ...]:
    """The pauses that are kept, youngest first."""
    size = min(len(seen.pause_ns), len(seen.pause_end), _KEPT)
    if not size or seen.num_gc <= 0:
        return ()
    places = ((seen.num_gc - 1 - back) % size for back in range(min(seen.num_gc, size)))
    return tuple(Pause(seen.pause_end[place] / _NS, seen.pause_ns[place] / _NS) for place in places)
