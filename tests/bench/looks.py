"""``python -m bench.looks N``: so many looks of each agent at a process that was watched for a while."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import psutil

from bench.wire import Looks
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.contract.answers.health import HealthQuestion
from diagmesh.contract.answers.races import RacesQuestion
from diagmesh.contract.answers.resources import ResourcesQuestion
from diagmesh.settings import GoSettings, TargetSettings
from diagmesh_agents.health import health
from diagmesh_agents.races import races
from diagmesh_agents.resources import resources
from support.children import Child, until
from support.racing import report

_WATCHED = "import time\nprint('ready', flush=True)\ntime.sleep(600)"
_SAMPLES = 40
_RACES = 100


class LoopWatch:
    """Times every call that the event loop makes: CPU of its thread, and how long it took."""

    def __init__(self) -> None:
        self.cpu_s = self.longest_s = 0.0
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            cpu, began = time.thread_time(), time.perf_counter()
            run(handle)
            self.cpu_s = max(self.cpu_s, time.thread_time() - cpu)
            self.longest_s = max(self.longest_s, time.perf_counter() - began)

        asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]  # there is no door for this in asyncio


async def main(count: int) -> Looks:
    """Watch for a while, warm up, then measure: first the cost, then the calls of the loop one by one."""
    with Child(_WATCHED) as child, tempfile.TemporaryDirectory(prefix="diagmesh-bench-") as folder:
        log = Path(folder, "race")
        log.with_suffix(f".{child.pid}").write_bytes(b"".join(map(report, range(_RACES))))
        own = GoSettings(race_log=str(log))
        neighbour = Neighbour(TargetSettings(service="sim", pid=child.pid, sample_s=0.02, go=own))
        sampling = asyncio.create_task(neighbour.run())
        await asyncio.to_thread(until, neighbour.ring.samples, lambda samples: len(samples) >= _SAMPLES)
        sampling.cancel()
        await asyncio.wait({sampling})
        process = psutil.Process(child.pid)

        async def by_psutil() -> None:
            with process.oneshot():
                process.status(), process.cpu_times(), process.memory_info(), process.num_threads()
                process.num_fds(), process.io_counters(), process.num_ctx_switches(), process.create_time()

        looks: dict[str, Callable[[], Awaitable[object]]] = {
            "health": lambda: health.look(HealthQuestion(), neighbour),
            "resources": lambda: resources.look(ResourcesQuestion(), neighbour),
            f"races, {_RACES} seen": lambda: races.look(RacesQuestion(), neighbour),
            "psutil, 8 fields": by_psutil,
        }
        told = Looks(cpu_us={}, loop_ms={}, longest_ms={})
        for who, look in looks.items():
            await look()
            told.cpu_us[who] = 1e6 * await _cost_s(look, count)
        for who, look in looks.items():
            watch = LoopWatch()
            await _cost_s(look, count)
            told.loop_ms[who], told.longest_ms[who] = 1e3 * watch.cpu_s, 1e3 * watch.longest_s
        return told


async def _cost_s(look: Callable[[], Awaitable[object]], count: int) -> float:
    before = time.process_time()
    for _ in range(count):
        await look()
        await asyncio.sleep(0)
    return (time.process_time() - before) / count


if __name__ == "__main__":
    outcome = asyncio.run(main(int(sys.argv[1])))
    print(msgspec.json.encode(outcome).decode(), flush=True)
