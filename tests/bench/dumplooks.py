"""``python -m bench.dumplooks PORT PID N FORM``: looks of `goroutines` at a service, and what they cost the sidecar."""

import asyncio
import resource
import sys
import time

import msgspec

from bench.lab import cpu_s, memory_mib, our_cpu_s
from bench.looks import LoopWatch
from bench.wire import DumpLooks
from diagmesh.adapters.godoor import door_of
from diagmesh.contract.answers.goroutines import DumpForm, Goroutines, GoroutinesQuestion
from diagmesh.settings import GoSettings
from diagmesh.testing import FakeTarget
from diagmesh_agents.goroutines import goroutines


async def main(port: int, pid: int, count: int, form: str) -> DumpLooks:
    """One look to warm up, then so many; of all the median would hide the one that matters, so the worst is told."""
    door = door_of(GoSettings(pprof=f"http://127.0.0.1:{port}/debug/pprof"), "bench/b1")
    target, question = FakeTarget(go=door), GoroutinesQuestion(form=DumpForm(form), leaks=False)
    await goroutines.look(question, target)
    before_mib, watch = memory_mib("self")["RSS MiB"], LoopWatch()
    ours, theirs, began = our_cpu_s(), cpu_s(pid), time.perf_counter()
    took, parse = 0.0, 0.0
    for _ in range(count):
        answer = await goroutines.look(question, target)
        assert isinstance(answer, Goroutines)
        took, parse = max(took, answer.cost.took_ms), max(parse, answer.cost.parse_ms)
    whole_ms = 1e3 * (time.perf_counter() - began) / count
    return DumpLooks(
        took_ms=took,
        parse_ms=parse,
        whole_ms=whole_ms,
        sidecar_ms=1e3 * (our_cpu_s() - ours) / count,
        service_ms=1e3 * (cpu_s(pid) - theirs) / count,
        longest_ms=1e3 * watch.longest_s,
        grown_mib=max(0.0, memory_mib("self")["RSS MiB"] - before_mib),
        reader_mib=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    )


if __name__ == "__main__":
    outcome = asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
    print(msgspec.json.encode(outcome).decode(), flush=True)
