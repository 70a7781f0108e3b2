"""``python -m bench.golooks PORT PID N``: looks at a Go service by each way there is, and what they cost both sides."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec

from bench.lab import cpu_s
from bench.wire import GoLooks, percentile
from diagmesh.adapters.godoor import door_of
from diagmesh.adapters.goruntime.watch import GoWatch
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.contract.answers.runtime import RuntimeQuestion
from diagmesh.settings import GoSettings, TargetSettings
from diagmesh_agents.runtime import runtime

_APART_S = 0.26
"""Looks that follow each other faster are one look."""


async def main(port: int, pid: int, count: int) -> GoLooks:
    """Each way in turn, after a look that warms it up."""
    at = f"http://127.0.0.1:{port}"
    every = GoSettings(pprof=f"{at}/debug/pprof", expvar=f"{at}/debug/vars", metrics=f"{at}/metrics")
    told = GoLooks(sidecar_us={}, service_us={}, p50_ms={})
    for who, settings in (
        ("runtime, every page", every),
        ("runtime, expvar alone", GoSettings(expvar=every.expvar)),
        ("runtime, metrics alone", GoSettings(metrics=every.metrics)),
        ("runtime, pprof alone", GoSettings(pprof=every.pprof)),
    ):
        neighbour = Neighbour(TargetSettings(service="sim", instance="s1", pid=pid, go=settings))
        await _measure(told, who, pid, count, lambda near=neighbour: runtime.look(RuntimeQuestion(), near))  # type: ignore[misc]  # bound
    neighbour = Neighbour(TargetSettings(service="sim", instance="s1", pid=pid))
    watch = GoWatch(door_of(every, "sim/s1"), lambda: neighbour.process, "sim/s1", 5.0)
    await _measure(told, "a sample of the past", pid, count, watch._cheap)
    return told


async def _measure(told: GoLooks, who: str, pid: int, count: int, look: Callable[[], Awaitable[object]]) -> None:
    await look()
    took, ours_s, theirs_s = [], 0.0, 0.0
    for _ in range(count):
        await asyncio.sleep(_APART_S)
        ours, theirs, began = time.process_time(), cpu_s(pid), time.perf_counter()
        await look()
        took.append(1e3 * (time.perf_counter() - began))
        ours_s += time.process_time() - ours
        theirs_s += cpu_s(pid) - theirs
    told.sidecar_us[who], told.service_us[who] = 1e6 * ours_s / count, 1e6 * theirs_s / count
    told.p50_ms[who] = percentile(took, 0.5)


if __name__ == "__main__":
    outcome = asyncio.run(main(*map(int, sys.argv[1:])))
    print(msgspec.json.encode(outcome).decode(), flush=True)
