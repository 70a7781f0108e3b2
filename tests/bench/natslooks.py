"""``python -m bench.natslooks URL MONITOR SERVER SERVICE N``: looks at what a service has with NATS, and their cost.

SERVER and SERVICE are process ids, N is how many looks of each kind.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from bench.lab import cpu_s
from bench.wire import NatsLooks, percentile
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.observer import Observer
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.connection import ConnectionQuestion
from diagmesh.contract.answers.server import ServerQuestion
from diagmesh.contract.answers.streams import StreamsQuestion
from diagmesh.contract.codec import encode
from diagmesh.contract.wire import Answer
from diagmesh.settings import NatsServerSettings, NatsSettings, TargetSettings
from diagmesh_agents.connection import connection
from diagmesh_agents.server import server
from diagmesh_agents.streams import streams


async def main(url: str, monitor: str, server_pid: int, service_pid: int, count: int) -> NatsLooks:
    """Each kind in turn, after a look that warms it up."""
    told = NatsLooks(p50_ms={}, sidecar_ms={}, server_ms={}, peak_mib={}, answer_kib={})
    bus = await NatsBus.connect(NatsSettings(url=url), "diag-observer/bench/b1")
    try:
        settings = TargetSettings(service="bench", instance="b1", pid=service_pid)
        settings = msgspec.structs.replace(settings, nats_server=NatsServerSettings(monitor=monitor))
        for who, look in _looks(Neighbour(settings, nats=Observer(bus))).items():
            await _measure(told, who, server_pid, count, look)
    finally:
        await bus.close()
    return told


def _looks(near: Neighbour) -> Mapping[str, Callable[[], Awaitable[Answer]]]:
    return {
        "connection": lambda: connection.look(ConnectionQuestion(preflight=False, interval_s=0), near),
        "streams": lambda: streams.look(StreamsQuestion(), near),
        "server": lambda: server.look(ServerQuestion(), near),
    }


async def _measure(
    told: NatsLooks, who: str, server_pid: int, count: int, look: Callable[[], Awaitable[Answer]]
) -> None:
    answer = await look()
    took, ours_s, theirs_s = [], 0.0, 0.0
    before = _peak_mib(reset=True)
    for _ in range(count):
        ours, theirs, began = time.process_time(), cpu_s(server_pid), time.perf_counter()
        await look()
        took.append(1e3 * (time.perf_counter() - began))
        ours_s += time.process_time() - ours
        theirs_s += cpu_s(server_pid) - theirs
    told.peak_mib[who] = _peak_mib() - before
    told.p50_ms[who] = percentile(took, 0.5)
    told.sidecar_ms[who], told.server_ms[who] = 1e3 * ours_s / count, 1e3 * theirs_s / count
    told.answer_kib[who] = len(encode(answer)) / 1024


def _peak_mib(*, reset: bool = False) -> float:
    """The most memory that this process had, since it was last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) / 1024


if __name__ == "__main__":
    outcome = asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
    print(msgspec.json.encode(outcome).decode(), flush=True)
