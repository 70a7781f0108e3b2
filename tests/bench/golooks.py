"""``python -m bench.golooks PORT PID N [WAY]``: looks at a Go service by each way there is; their cost to both."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec

from bench.lab import cpu_s, memory_mib, our_cpu_s
from bench.wire import GoLooks, percentile
from diagmesh.adapters.godoor import door_of
from diagmesh.adapters.goruntime.growth import GrowthWatch
from diagmesh.adapters.goruntime.watch import GoWatch
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.contract.answers.runtime import RuntimeQuestion
from diagmesh.goruntime import GoSample
from diagmesh.settings import GoSettings, TargetSettings
from diagmesh_agents.runtime import runtime

_APART_S = 0.26
"""Looks that follow each other faster are one look."""
_SAMPLES = 24
Way = tuple[str, Callable[[], Awaitable[object]]]


async def main(port: int, pid: int, count: int, only: str = "") -> GoLooks:
    """Each way in turn (or one alone), after a look that warms it up."""
    told = GoLooks(sidecar_us={}, service_us={}, p50_ms={}, grown_mib={})
    for who, look in _ways(f"http://127.0.0.1:{port}", pid):
        if only in ("", who):
            await _measure(told, who, pid, count, look)
    return told


def _ways(at: str, pid: int) -> Iterator[Way]:
    every = GoSettings(pprof=f"{at}/debug/pprof", expvar=f"{at}/debug/vars", metrics=f"{at}/metrics")
    for who, settings in (
        ("runtime, every page", every),
        ("runtime, expvar alone", GoSettings(expvar=every.expvar)),
        ("runtime, metrics alone", GoSettings(metrics=every.metrics)),
        ("runtime, pprof alone", GoSettings(pprof=every.pprof)),
    ):
        near = Neighbour(TargetSettings(service="sim", instance="s1", pid=pid, go=settings))
        yield who, lambda near=near: runtime.look(RuntimeQuestion(), near)  # type: ignore[misc]  # bound
    neighbour, door = Neighbour(TargetSettings(service="sim", instance="s1", pid=pid)), door_of(every, "sim/s1")
    yield "a sample of the past", GoWatch(door, lambda: neighbour.process, "sim/s1", 5.0)._cheap
    resting, growing = _heap(pid, 0), _heap(pid, 4 << 20)
    yield "watch, heap rests", GrowthWatch(door, lambda _: resting, "sim/s1", 5.0).step
    yield "watch, heap grows", _Growing(GrowthWatch(door, lambda _: growing, "sim/s1", 5.0)).look


def _heap(pid: int, more: int) -> Sequence[GoSample]:
    """Two minutes of the past, in which the live heap grew by so much with every sample."""
    now = time.monotonic()
    return [
        GoSample(at=now - 5.0 * (_SAMPLES - one), pid=pid, heap_live_bytes=(64 << 20) + one * more)
        for one in range(_SAMPLES)
    ]


class _Growing:
    """A watch for which a heap profile is due at each step: fetched, and compared with the first one."""

    def __init__(self, watch: GrowthWatch) -> None:
        self._watch = watch

    async def look(self) -> None:
        while True:
            self._watch._due = 0.0
            first = self._watch._last is None
            await self._watch.step()
            if not first:
                return


async def _measure(told: GoLooks, who: str, pid: int, count: int, look: Callable[[], Awaitable[object]]) -> None:
    await look()
    took, ours_s, theirs_s = list[float](), 0.0, 0.0
    before_mib = memory_mib("self")["RSS MiB"]
    for _ in range(count):
        await asyncio.sleep(_APART_S)
        ours, theirs, began = our_cpu_s(), cpu_s(pid), time.perf_counter()
        await look()
        took.append(1e3 * (time.perf_counter() - began))
        ours_s += our_cpu_s() - ours
        theirs_s += cpu_s(pid) - theirs
    told.sidecar_us[who], told.service_us[who] = 1e6 * ours_s / count, 1e6 * theirs_s / count
    told.p50_ms[who] = percentile(took, 0.5)
    told.grown_mib[who] = max(0.0, memory_mib("self")["RSS MiB"] - before_mib)


if __name__ == "__main__":
    port, pid, count = map(int, sys.argv[1:4])
    outcome = asyncio.run(main(port, pid, count, *sys.argv[4:]))
    print(msgspec.json.encode(outcome).decode(), flush=True)
