"""`resources` on real processes: what it says is what they do, and what it may not see it never calls zero."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from blockbuster import blockbuster_ctx

from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.procfs import PidDir
from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import ProcessState, Resources, ResourcesQuestion
from diagmesh.contract.wire import Detail
from diagmesh.declare import AgentSpec
from diagmesh.errors import Unavailable
from diagmesh.settings import TargetSettings
from diagmesh_agents.resources import resources
from support.children import Child
from support.natsserver import MakeServer
from support.nobody import as_nobody, needs_root
from support.quota import cpu_group, join

SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"
BURNER = "print('ready', flush=True)\nwhile True: pass"
GROWER = """
import time
print('ready', flush=True)
kept = []
while True:
    kept.append(bytearray(b'x') * 2_000_000)
    time.sleep(0.02)
"""
LEAKER = """
import os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 400))
kept = [os.open('/dev/null', os.O_RDONLY) for _ in range(80)]
print('ready', flush=True)
while True:
    if len(kept) < 180:
        kept.append(os.open('/dev/null', os.O_RDONLY))
    time.sleep(0.05)
"""
CLOSER = """
import socket, time
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
kept = []
while True:
    kept.append(listener.accept()[0])
"""


async def ask(neighbour: Neighbour, **question: object) -> Resources:
    answer = await resources.look(ResourcesQuestion(**question), neighbour)  # type: ignore[arg-type]
    assert isinstance(answer, Resources)
    return msgspec.json.decode(msgspec.json.encode(answer), type=Resources)  # as an asker gets it


@asynccontextmanager
async def watched(pid: int, sample_s: float = 0.05) -> AsyncIterator[Neighbour]:
    neighbour = Neighbour(TargetSettings(service="orders", pid=pid, sample_s=sample_s))
    task = asyncio.create_task(neighbour.run())
    try:
        yield neighbour
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def samples(neighbour: Neighbour, count: int) -> None:
    for _ in range(1000):
        if len(neighbour.ring.samples()) >= count:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"only {len(neighbour.ring.samples())} of {count} samples came")


def test_it_is_declared_under_its_file_name() -> None:
    assert isinstance(resources, AgentSpec)
    assert (resources.kind, resources.question, resources.answer) == ("resources", ResourcesQuestion, Resources)


async def test_a_burner_uses_about_a_core_over_a_named_interval() -> None:
    with Child(BURNER) as child:
        async with watched(child.pid) as neighbour:
            await samples(neighbour, 30)
            answer = await ask(neighbour)
    assert answer.cpu.over_s is not None
    assert answer.cpu.over_s >= 0.9
    assert answer.cpu.cores_used is not None
    assert 0.1 < answer.cpu.cores_used < 1.1, "one thread; the machine may be busy with others"
    assert answer.process.state is ProcessState.RUNNING


async def test_a_burner_in_a_small_quota_is_throttled_and_uses_all_of_it() -> None:
    with cpu_group(0.2) as group, Child(BURNER) as child:
        join(group, child.pid)
        async with watched(child.pid) as neighbour:
            await samples(neighbour, 30)
            answer = await ask(neighbour)
    cpu = answer.cpu
    assert cpu.cgroup is not None
    assert (cpu.cgroup.bound, cpu.cgroup.quota_cores) == (Bound.LIMITED, 0.2)
    assert cpu.cores_used is not None
    assert cpu.cores_used < 0.45
    assert cpu.share_of_quota is not None
    assert cpu.share_of_quota > 0.3, "the machine may be busy with others"
    assert cpu.throttled_share is not None
    assert cpu.throttled_share > 0.3


async def test_without_a_past_it_takes_a_short_interval_of_its_own() -> None:
    with Child(BURNER) as child:
        answer = await ask(Neighbour(TargetSettings(service="orders", pid=child.pid)), detail=Detail.BRIEF)
    assert answer.cpu.over_s is not None
    assert 0.2 < answer.cpu.over_s < 5
    assert answer.cpu.cores_used is not None
    assert answer.cpu.cores_used > 0.05
    assert answer.ring_samples == 0


async def test_growing_memory_has_a_slope_and_a_time_to_its_limit() -> None:
    with Child(GROWER) as child:
        async with watched(child.pid) as neighbour:
            await samples(neighbour, 40)
            answer = await ask(neighbour, window_s=30)
    trend = answer.memory.trend
    assert trend is not None
    assert 0 < trend.slope_low <= trend.slope <= trend.slope_high
    assert 1e6 < trend.slope < 2e8, "2 MB fifty times a second at most"
    assert trend.to_limit is not None
    assert 0 < trend.to_limit.earliest_s <= trend.to_limit.likely_s <= trend.to_limit.latest_s
    assert trend.to_limit.limit in {"memory of the host", "memory limit of the cgroup"}
    assert answer.ring_samples >= 25
    assert answer.threads.trend is not None
    assert answer.threads.trend.to_limit is None


async def test_descriptors_are_held_against_the_limit_of_the_process_itself() -> None:
    with Child(LEAKER) as child:
        async with watched(child.pid) as neighbour:
            await samples(neighbour, 20)
            answer = await ask(neighbour)
    told = answer.descriptors
    assert (told.bound, told.soft_limit, told.hard_limit) == (Bound.LIMITED, 200, 400)
    assert told.held is not None
    assert 80 <= told.held <= 190
    assert told.share_of_limit == told.held / 200
    assert told.trend is not None
    assert told.trend.to_limit is not None
    assert told.trend.to_limit.limit == "soft limit of descriptors"
    assert told.trend.to_limit.likely_s < 60


async def test_connections_that_are_not_closed_are_seen() -> None:
    with Child(CLOSER) as child:
        clients = [socket.create_connection(("127.0.0.1", int(child.said))) for _ in range(5)]
        for client in clients:
            client.close()
        neighbour = Neighbour(TargetSettings(service="orders", port=int(child.said)))
        for _ in range(100):
            answer = await ask(neighbour, detail=Detail.FULL)
            if answer.sockets is not None and answer.sockets.close_wait == 5:
                break
    assert answer.sockets is not None
    assert (answer.sockets.close_wait, answer.sockets.tcp_by_state["LISTEN"]) == (5, 1)
    assert [one.port for one in answer.sockets.listeners] == [int(child.said)]


async def test_a_go_process_is_told_in_full(make_server: MakeServer) -> None:
    server = make_server(monitoring=True).start()
    answer = await ask(Neighbour(TargetSettings(service="nats", port=server.port)), detail=Detail.FULL)
    assert answer.process.pid == server.pid
    assert answer.threads.count is not None
    assert answer.threads.count > 3
    assert answer.memory.pss_bytes is not None
    assert answer.memory.rss_bytes is not None
    assert 0 < answer.memory.pss_bytes <= answer.memory.rss_bytes * 1.5
    assert answer.process.context_switches is not None
    assert answer.process.context_switches.voluntary > 0
    assert answer.io is not None
    assert answer.disks is not None
    assert answer.disks.count == len(answer.disks.filesystems) > 0
    assert answer.network is not None
    assert "lo" in [one.name for one in answer.network.interfaces]
    assert answer.host is not None
    assert answer.cgroup is not None
    assert answer.blind == () or {blind.what for blind in answer.blind} <= {"pressure", "cgroup"}


async def test_detail_decides_what_is_told() -> None:
    neighbour = Neighbour(TargetSettings(service="orders", pid=os.getpid()))
    brief = await ask(neighbour, detail=Detail.BRIEF)
    assert (brief.sockets, brief.disks, brief.network, brief.expensive_age_s) == (None, None, None, None)
    normal = await ask(neighbour)
    assert normal.sockets is not None
    assert (normal.sockets.listeners, normal.disks and normal.disks.filesystems) == ((), ())
    assert normal.network is not None
    assert normal.network.interfaces == ()
    await asyncio.sleep(0.05)
    again = await ask(neighbour)
    assert again.expensive_age_s is not None
    assert again.expensive_age_s >= 0.04, "cached, and says so"
    assert again.disks is not None
    assert again.disks.age_s >= 0.04


@needs_root
def test_without_rights_it_is_blind_with_the_way_out_and_never_zero() -> None:
    printed = as_nobody(
        "import asyncio, concurrent.futures.thread, msgspec, psutil, encodings.idna\n"
        "from diagmesh.adapters.neighbour import Neighbour\n"
        "from diagmesh.contract.answers.resources import ResourcesQuestion\n"
        "from diagmesh.settings import TargetSettings\nfrom diagmesh_agents.resources import resources",
        f"""
target = Neighbour(TargetSettings(service="orders", pid={os.getpid()}))
answer = asyncio.run(resources.look(ResourcesQuestion(detail="full"), target))
print(msgspec.json.encode(answer).decode())
""",
    )
    answer = msgspec.json.decode(printed, type=Resources)
    assert (answer.io, answer.sockets, answer.memory.pss_bytes, answer.memory.uss_bytes) == (None, None, None, None)
    assert answer.descriptors.held is None or answer.descriptors.held > 0, "some kernels tell the number to everybody"
    assert answer.disks is not None
    assert answer.disks.fullest_share is None
    assert answer.memory.rss_bytes is not None
    assert answer.memory.rss_bytes > 0
    assert answer.descriptors.soft_limit is not None
    blind = {one.what: one for one in answer.blind}
    assert {"I/O", "sockets", "PSS, USS and swap", "filesystem of the cwd"} <= blind.keys()
    for what in ("I/O", "sockets", "PSS, USS and swap"):
        assert "uid 0, the sidecar as uid 65534" in blind[what].why
        assert "same user" in blind[what].fix


async def test_a_process_that_is_not_there_is_unavailable_with_the_reason() -> None:
    with Child(SLEEPER) as child:
        neighbour = Neighbour(TargetSettings(service="orders", pid=child.pid))
        await ask(neighbour, detail=Detail.BRIEF)
        child.kill()
        with pytest.raises(Unavailable, match=f"process {child.pid} has ended") as refused:
            await ask(neighbour)
    assert refused.value.code == 503
    assert refused.value.hint


async def test_a_zombie_is_unavailable_not_an_answer_of_zeros() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])  # noqa: ASYNC220  collected below
    try:
        neighbour = Neighbour(TargetSettings(service="orders", pid=child.pid))
        for _ in range(500):
            if not neighbour.sighting().running:
                break
            await asyncio.sleep(0.02)
        with pytest.raises(Unavailable, match="zombie"):
            await ask(neighbour)
    finally:
        child.wait()


async def test_settings_without_a_process_say_how_to_enable_it() -> None:
    with pytest.raises(Unavailable) as refused:
        await ask(Neighbour(TargetSettings(service="orders")))
    assert refused.value.code == 501
    assert "pid_file" in refused.value.hint


async def test_a_process_that_ends_in_the_middle_is_unavailable() -> None:
    refused = 0
    for _ in range(10):
        with Child(SLEEPER) as child:
            neighbour = Neighbour(TargetSettings(service="orders", pid=child.pid))
            asking = asyncio.create_task(ask(neighbour, detail=Detail.FULL))
            await asyncio.sleep(0.01)
            child.kill()
            with pytest.raises(Unavailable):
                await asking
            refused += 1
    assert refused == 10, "its own interval is longer than the process lived"


async def test_nothing_blocks_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[threading.Thread] = []
    for name in ("chunks", "names", "read_small", "read_again"):
        real = getattr(PidDir, name)

        def noting(self: PidDir, *arguments: str, real: Callable[..., object] = real) -> object:
            readers.append(threading.current_thread())
            return real(self, *arguments)

        monkeypatch.setattr(PidDir, name, noting)
    with Child(SLEEPER) as child:
        async with watched(child.pid) as neighbour:
            await samples(neighbour, 8)
            with blockbuster_ctx(["diagmesh", "diagmesh_agents"]):
                answer = await resources.look(ResourcesQuestion(detail=Detail.FULL), neighbour)
    assert isinstance(answer, Resources)
    assert answer.process.pid == child.pid
    assert len(readers) > 10
    assert threading.main_thread() not in readers
