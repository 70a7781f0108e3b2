"""One look at a Go runtime: what several pages tell, put together field by field, the best source first."""

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from diagmesh.adapters.goruntime.birth import Birth
from diagmesh.contract.wire import Blind
from diagmesh.errors import Refusal
from diagmesh.goruntime import GoLook, GoSample

__all__ = ["ORDER", "Who", "look_of", "sample_of"]

ORDER: Final = ("expvar", "metrics", "pprof index", "pprof heap")
"""Which page is believed first, where several tell the same."""
_LEAST_TARGET_BYTES: Final = 4 << 20
_NO_TARGET: Final = 1 << 60
_NEAR_LIMIT: Final = 0.8
_USUAL_GOGC: Final = 100
_ESTIMATE: Final = "next target and GOGC"


class Who(NamedTuple):
    """The process that a look is at: its number (0: not known), its start (Unix seconds), its birth."""

    pid: int = 0
    started_at: float | None = None
    birth: Birth = Birth()


def look_of(who: Who, told: Mapping[str, Mapping[str, Any]], failed: Mapping[str, Refusal]) -> GoLook:
    """Put a look together.

    Args:
        who: the process.
        told: by page of `ORDER`, what it told.
        failed: by page, why it told nothing.
    """
    fields: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for page in ORDER:
        _lay(fields, sources, told.get(page, {}), dict.fromkeys(told.get(page, {}), page))
    _lay(fields, sources, who.birth.fields, who.birth.sources)
    if fields.get("memory_limited") is False:
        fields.pop("memory_limit_bytes", None)  # of a worse source
    if "heap_live_bytes" not in fields and (live := _live(fields)) is not None:
        fields["heap_live_bytes"], sources["heap_live_bytes"] = live, _ESTIMATE
    if who.started_at is not None:
        fields["started_at"] = who.started_at
    blind = [*who.birth.blind, *(_blind(page, why) for page, why in failed.items())]
    return GoLook(at=time.monotonic(), unix_s=time.time(), pid=who.pid, sources=sources, blind=tuple(blind), **fields)


def sample_of(look: GoLook) -> GoSample:
    """What the ring keeps of a look."""
    used_s = None
    if look.gc_cpu_share is not None and look.gc_ended_at is not None and look.started_at is not None:
        # The share is of all CPU time up to the end of the last cycle, when it was computed.
        used_s = look.gc_cpu_share * max(0.0, look.gc_ended_at - look.started_at) if look.gc_ended_at else 0.0
    return GoSample(
        at=look.at,
        pid=look.pid,
        goroutines=look.goroutines,
        heap_live_bytes=look.heap_live_bytes,
        heap_in_use_bytes=look.heap_in_use_bytes,
        allocated_bytes=look.allocated_bytes,
        gc_cycles=look.gc_cycles,
        gc_paused_s=look.gc_paused_s,
        gc_used_s=used_s,
        gc_ended_at=look.gc_ended_at,
    )


def _lay(fields: dict[str, Any], sources: dict[str, str], more: Mapping[str, Any], of: Mapping[str, str]) -> None:
    for name, value in more.items():
        if value is not None and name not in fields:
            fields[name] = value
            if name in of:
                sources[name] = of[name]


def _live(fields: Mapping[str, Any]) -> int | None:
    """What survived the last collection, by the target that the runtime made of it.

    target = live + (live + stacks + globals) * GOGC/100, but 4 MiB * GOGC/100 at least (runtime/mgcpacer.go of Go). The
    globals are left out: they are small. The least target, and one that a memory limit has lowered, tell nothing.
    """
    target, gogc = fields.get("gc_target_bytes"), fields.get("gogc_percent", _USUAL_GOGC)
    if target is None or gogc <= 0 or target > _NO_TARGET or target <= _LEAST_TARGET_BYTES * gogc / 100:
        return None
    used, limit = fields.get("runtime_bytes"), fields.get("memory_limit_bytes")
    if limit and used is not None and used >= _NEAR_LIMIT * limit:
        return None
    growth = gogc / 100
    return max(0, int((target - growth * fields.get("stacks_bytes", 0)) / (1 + growth)))


def _blind(page: str, why: Refusal) -> Blind:
    return Blind(what=f"Go page {page}", why=why.detail or why.error, fix=why.hint)
