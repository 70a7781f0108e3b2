"""What ``/metrics`` tells of the Go runtime: names of client_golang, of OpenTelemetry, of VictoriaMetrics' library.

The reader of prometheus-client is loaded with the first page: a sidecar whose service has no such page pays nothing.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

from diagmesh.errors import NotGoPage

__all__ = ["fields_of_metrics"]

_PREFIXES: Final = (b"go_", b"process_start_time_seconds")
_LINES_MOST: Final = 2000
_LINE_BYTES: Final = 4096
_GAUGES: Final = {
    "go_goroutines": "goroutines",
    "go_goroutine_count": "goroutines",
    "go_threads": "threads_created",
    "go_sched_gomaxprocs_threads": "gomaxprocs",
    "go_gomaxprocs": "gomaxprocs",
    "go_processor_limit": "gomaxprocs",
    "go_gc_gogc_percent": "gogc_percent",
    "go_config_gogc_percent": "gogc_percent",
    "go_gc_gomemlimit_bytes": "memory_limit_bytes",
    "go_memory_limit_bytes": "memory_limit_bytes",
    "go_memstats_heap_inuse_bytes": "heap_in_use_bytes",
    "go_memstats_heap_idle_bytes": "heap_idle_bytes",
    "go_memstats_heap_released_bytes": "heap_released_bytes",
    "go_memstats_heap_alloc_bytes": "heap_allocated_bytes",
    "go_memstats_heap_objects": "heap_objects",
    "go_gc_heap_live_bytes": "heap_live_bytes",
    "go_memstats_stack_inuse_bytes": "stacks_bytes",
    "go_memstats_sys_bytes": "_sys_bytes",
    "go_memstats_alloc_bytes_total": "allocated_bytes",
    "go_memory_allocated_bytes_total": "allocated_bytes",
    "go_memstats_mallocs_total": "allocations",
    "go_memory_allocations_total": "allocations",
    "go_memstats_next_gc_bytes": "gc_target_bytes",
    "go_memory_gc_goal_bytes": "gc_target_bytes",
    "go_gc_duration_seconds_count": "gc_cycles",
}
"""Whole numbers."""
_NUMBERS: Final = {
    "go_gc_duration_seconds_sum": "gc_paused_s",
    "go_memstats_last_gc_time_seconds": "gc_ended_at",
    "go_memstats_gc_cpu_fraction": "gc_cpu_share",
    "process_start_time_seconds": "started_at",
    "go_cpu_classes_gc_total_cpu_seconds_total": "_gc_s",
    "go_cpu_classes_gc_mark_idle_cpu_seconds_total": "_idle_s",
    "go_cpu_classes_total_cpu_seconds_total": "_available_s",
}
_QUANTILES: Final = {"0.5": "pause_p50_s", "1": "pause_most_s"}
_NO_LIMIT: Final = 1 << 62
"""Without a limit the runtime says the largest number that it has."""
_OFF: Final = -1


def fields_of_metrics(body: bytes) -> dict[str, Any]:
    """The fields of a `GoLook` that a page of metrics tells; other families are not even read.

    Raises:
        NotGoPage: the lines about Go are no metrics.
    """
    lines = b"\n".join(_relevant(body)).decode("utf-8", "replace")
    if not lines:
        return {}
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415  2 MB, for those who need it

    fields: dict[str, Any] = {}
    try:
        for family in text_string_to_metric_families(lines + "\n"):
            for sample in family.samples:
                _take(fields, sample.name, sample.labels, sample.value)
    except (ValueError, KeyError, IndexError) as error:
        raise NotGoPage(f"the page at metrics of [targets.go] is no metrics text ({type(error).__name__})") from None
    return _told(fields)


def _relevant(body: bytes) -> Iterator[bytes]:
    """The lines of samples about Go; what is said about their types does not matter here."""
    count = 0
    for line in body.splitlines():
        if line.startswith(_PREFIXES) and len(line) <= _LINE_BYTES:
            count += 1
            if count > _LINES_MOST:
                return
            yield line


def _take(fields: dict[str, Any], name: str, labels: dict[str, str], value: float) -> None:
    if name == "go_info" and "version" in labels:
        fields["version"] = labels["version"][:60]
    elif name == "go_gc_duration_seconds" and labels.get("quantile") in _QUANTILES:
        _put(fields, _QUANTILES[labels["quantile"]], value, float)
    elif not labels and name in _GAUGES:
        _put(fields, _GAUGES[name], value, int)
    elif not labels and name in _NUMBERS:
        _put(fields, _NUMBERS[name], value, float)


def _put(fields: dict[str, Any], field: str, value: float, kind: Callable[[float], float]) -> None:
    if math.isfinite(value) and abs(value) <= 2**64:
        fields.setdefault(field, kind(value))


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    if "memory_limit_bytes" in fields:
        fields["memory_limited"] = fields["memory_limit_bytes"] < _NO_LIMIT
        if not fields["memory_limited"]:
            del fields["memory_limit_bytes"]
    if fields.get("gogc_percent", 0) < 0 or fields.get("gogc_percent", 0) > _NO_LIMIT:
        fields["gogc_percent"] = _OFF
    # What the collector did with time that nobody else wanted is no burden (as in MemStats.GCCPUFraction).
    used_s, idle_s, available_s = (fields.pop(name, 0.0) for name in ("_gc_s", "_idle_s", "_available_s"))
    if available_s > 0:
        fields.setdefault("gc_cpu_share", max(0.0, used_s - idle_s) / available_s)
    system = fields.pop("_sys_bytes", None)
    if system is not None:
        fields["runtime_bytes"] = system - fields.get("heap_released_bytes", 0)
    return fields
