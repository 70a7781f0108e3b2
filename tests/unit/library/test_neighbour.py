"""The neighbour is found again after a restart, its past is of one process only, and nothing ends the sampler."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from diagmesh.adapters import tracked
from diagmesh.adapters.find import Found, find
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.ways import ByPid, Way
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.errors import NotRunning, SettingsError, Unreadable
from diagmesh.settings import TargetSettings
from diagmesh.target import Sample, Target
from support.children import Child, until
from support.natsserver import MakeServer

SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"


@asynccontextmanager
async def running(neighbour: Neighbour) -> AsyncIterator[None]:
    task = asyncio.create_task(neighbour.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(look: object, within_s: float = 20.0) -> bool:
    assert callable(look)
    for _ in range(int(within_s / 0.02)):
        if look():
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.parametrize("way", ["port", "pid_file"])
async def test_a_restarted_server_is_found_again(make_server: MakeServer, tmp_path: Path, way: str) -> None:
    server = make_server(monitoring=True).start()
    pid_file = tmp_path / "pid"
    pid_file.write_text(str(server.pid), encoding="ascii")
    if way == "port":
        settings = TargetSettings(service="nats", port=server.port, sample_s=0.05)
    else:
        settings = TargetSettings(service="nats", pid_file=str(pid_file), sample_s=0.05)
    neighbour = Neighbour(settings)
    async with running(neighbour):
        assert await eventually(lambda: len(neighbour.ring.samples()) >= 3)
        first = neighbour.sighting()
        server.stop()
        assert await eventually(lambda: not neighbour.sighting().running)
        server.start()
        pid_file.write_text(str(server.pid), encoding="ascii")
        assert await eventually(lambda: neighbour.sighting().running)
        second = neighbour.sighting()
        assert await eventually(lambda: bool(neighbour.ring.samples()))
        assert {sample.pid for sample in neighbour.ring.samples()} == {server.pid}
    assert first.pid != second.pid
    assert (first.restarts_seen, second.restarts_seen, second.pid) == (0, 1, server.pid)
    assert first.started_at is not None
    assert second.started_at is not None
    assert first.started_at < second.started_at


@pytest.mark.parametrize("way", ["exe", "command"])
async def test_a_restarted_program_is_found_again(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = f"mark-{uuid4().hex}"
    copy = tmp_path / f"sleep-{uuid4().hex[:8]}"
    copy.write_bytes(Path("/bin/sleep").read_bytes())
    copy.chmod(0o755)
    command = [str(copy), "60"] if way == "exe" else [sys.executable, "-c", "import time; time.sleep(60)", mark]
    settings = (
        TargetSettings(service="s", exe=str(copy)) if way == "exe" else TargetSettings(service="s", command=f"*{mark}*")
    )
    neighbour = Neighbour(settings)
    pids = []
    for _ in range(2):
        child = subprocess.Popen(command)  # noqa: ASYNC220  it is ended and collected here, whatever the loop does
        try:
            assert await eventually(lambda: neighbour.sighting().running)
            pids.append((child.pid, neighbour.sighting().pid))
        finally:
            child.kill()
            child.wait()
        assert not neighbour.sighting().running
    assert all(started == seen for started, seen in pids)
    assert (neighbour.sighting().restarts_seen, neighbour.sighting().restarts_lately) == (1, 1)
    monkeypatch.setattr(tracked, "_LATELY_S", 0.0)
    assert (neighbour.sighting().restarts_seen, neighbour.sighting().restarts_lately) == (1, 0)


def test_what_is_looked_for_is_told_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[Way] = []
    monkeypatch.setattr(tracked, "find", lambda way, _: searches.append(way))
    assert Neighbour(TargetSettings(service="orders", port=8080)).looked_for == "port 8080"
    assert searches == []


def test_a_sighting_tells_what_became_of_it() -> None:
    with Child(SLEEPER) as child:
        neighbour = Neighbour(TargetSettings(service="orders", pid=child.pid))
        there = neighbour.sighting()
        assert (there.running, there.pid, there.reason) == (True, child.pid, "")
        process = neighbour.process
        assert until(process.state, lambda state: state is ProcessState.SLEEPING) is ProcessState.SLEEPING
        child.kill()
        gone = neighbour.sighting()
    assert (gone.running, gone.pid, gone.started_at) == (False, 0, None)
    assert gone.last_seen is not None
    assert f"process {child.pid} has ended" in gone.reason
    with pytest.raises(NotRunning, match=f"looked for pid {child.pid}"):
        _ = neighbour.process
    with pytest.raises(NotRunning):
        process.look()


async def test_the_same_process_found_again_is_no_restart_and_keeps_its_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when its files were out of reach for a moment: what comes back is what was there before."""
    neighbour = Neighbour(TargetSettings(service="orders", pid=os.getpid(), sample_s=60))
    async with running(neighbour):
        assert await eventually(lambda: bool(neighbour.ring.samples()))
    past = list(neighbour.ring.samples())
    started = neighbour.sighting().started_at
    monkeypatch.setattr(neighbour.process, "state", refusing)
    assert not neighbour.sighting().running
    assert neighbour.sighting().hidden, "it may well be there"
    assert await eventually(lambda: neighbour.sighting().running)
    again = neighbour.sighting()
    assert (again.pid, again.restarts_seen, again.hidden) == (os.getpid(), 0, False)
    assert again.started_at == pytest.approx(started, abs=timedelta(seconds=1))
    assert list(neighbour.ring.samples()) == past


def refusing() -> ProcessState:
    raise Unreadable("process state", "too many open files")


def test_a_zombie_is_reported_as_one() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        neighbour = Neighbour(TargetSettings(service="orders", pid=child.pid))
        assert neighbour.sighting().running
        assert child.stdin is not None
        child.stdin.close()
        gone = until(neighbour.sighting, lambda seen: not seen.running)
    finally:
        child.wait()
    assert not gone.running
    assert "zombie" in gone.reason
    assert f"process {os.getpid()}" in gone.reason


def test_searches_are_rare_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []

    def counting(way: Way, root: str) -> Found:
        searches.append(way)
        return find(way, root)

    monkeypatch.setattr(tracked, "find", counting)
    neighbour = Neighbour(TargetSettings(service="orders", command=f"*{uuid4().hex}*"))
    for _ in range(100):
        assert not neighbour.sighting().running
    assert 1 <= len(searches) <= 4


@pytest.mark.parametrize(("waits_s", "works_s", "pause_s"), [(0.3, 0.0, tracked.SEARCH_EVERY_S), (0.0, 0.05, 2.5)])
def test_a_search_costs_its_work_and_not_how_long_it_was_kept_waiting(
    monkeypatch: pytest.MonkeyPatch, waits_s: float, works_s: float, pause_s: float
) -> None:
    def search(way: Way, root: str) -> Found:
        time.sleep(waits_s)
        done_s = time.thread_time() + works_s
        while time.thread_time() < done_s:
            pass
        return Found(None, "not there")

    monkeypatch.setattr(tracked, "find", search)
    one = tracked.Tracked(ByPid(1, "/proc"), "/proc", renewed=lambda: None)
    assert one.look(search=True) is None
    assert pause_s <= one.search_pause_s < 2 * pause_s


async def test_the_sampler_survives_everything_and_counts_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    neighbour = Neighbour(TargetSettings(service="orders", pid=os.getpid(), sample_s=0.01))
    real, calls = neighbour._tick, []

    def failing() -> bool:
        calls.append(1)
        if len(calls) <= 3:
            raise RuntimeError("boom")
        return real()

    monkeypatch.setattr(neighbour, "_tick", failing)
    async with running(neighbour):
        assert await eventually(lambda: len(neighbour.ring.samples()) >= 3)
    assert neighbour.sampler_errors == 3
    assert [record.getMessage() for record in caplog.records] == [
        f"a sample of orders/{neighbour.instance} failed (1 so far): RuntimeError: boom"
    ]


async def test_the_first_samples_come_quickly_whatever_the_pace() -> None:
    neighbour = Neighbour(TargetSettings(service="orders", pid=os.getpid(), sample_s=3600))
    async with running(neighbour):
        assert await eventually(lambda: len(neighbour.ring.samples()) >= 6)
    assert neighbour.ring.trends(600).rss is not None


def test_after_the_beginning_the_pace_is_that_of_the_settings() -> None:
    neighbour = Neighbour(TargetSettings(service="orders", pid=os.getpid(), sample_s=5))
    paces = []
    for number in range(30):
        paces.append(neighbour._pace_s(running=True))
        neighbour.ring.add(Sample(float(number), 1, 0.0, 1, 1, 1))
    assert paces == [0.5] * 20 + [5.0] * 10
    assert neighbour._pace_s(running=False) == 0.5


async def test_a_cancelled_sampler_ends_at_once_and_the_neighbour_still_answers() -> None:
    neighbour = Neighbour(TargetSettings(service="orders", pid=os.getpid(), sample_s=60))
    async with running(neighbour):
        assert await eventually(lambda: bool(neighbour.ring.samples()))
    assert neighbour.sighting().running


def test_settings_without_a_way_are_blind_and_named() -> None:
    neighbour: Target = Neighbour(TargetSettings(service="orders", instance="i1"))
    (blind,) = neighbour.blind()
    assert (blind.what, "port" in blind.fix) == ("process", True)
    assert not neighbour.sighting().running
    assert (neighbour.service, neighbour.instance) == ("orders", "i1")


def test_a_way_that_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match=r"targets\.container"):
        Neighbour(TargetSettings(service="orders", container="["))
