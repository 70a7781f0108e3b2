"""The door at the real Go demo: every page comes, what is not there is said, one CPU profile at a time."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from diagmesh.adapters.godoor import door_of
from diagmesh.errors import Busy, PageMissing
from diagmesh.gopages import EXPVAR, METRICS, GoDoor, pprof
from support.godemo import GoDemo, GoService, build
from support.golang import Go
from support.natsserver import NatsServer


@pytest.fixture(scope="module")
def payments(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoService]:
    with (
        NatsServer(tmp_path_factory.mktemp("nats")) as server,
        GoDemo(build(go), server.url, tmp_path_factory.mktemp("demo")) as demo,
    ):
        yield demo.service("payments")


@pytest.fixture
def door(payments: GoService) -> GoDoor:
    return door_of(payments.go, "payments/i1")


async def test_every_page_comes(door: GoDoor, tmp_path: Path) -> None:
    assert b"goroutine" in (await door.fetch(pprof(""))).body
    assert gzip.decompress((await door.fetch(pprof("heap"), whole=True)).body)
    text = (await door.fetch(pprof("heap", heavy=False), query={"debug": 1})).body
    assert b"# HeapInuse = " in text
    dump = await door.fetch(pprof("goroutine"), query={"debug": 2}, into=tmp_path / "dump")
    assert (tmp_path / "dump").read_bytes().startswith(b"goroutine ")
    assert (dump.cut, dump.body) == (False, b"")
    cut = await door.fetch(pprof("goroutine"), query={"debug": 2}, limit_bytes=1000)
    assert (cut.cut, len(cut.body)) == (True, 1000)
    assert "memstats" in json.loads((await door.fetch(EXPVAR)).body)
    assert b"go_goroutines " in (await door.fetch(METRICS)).body


async def test_a_profile_that_this_go_has_not_is_missing(door: GoDoor) -> None:
    with pytest.raises(PageMissing, match="knows no profile 'nonsense'") as refusal:
        await door.fetch(pprof("nonsense"))
    assert refusal.value.code == 503


async def test_one_cpu_profile_at_a_time_whoever_takes_it(payments: GoService, door: GoDoor) -> None:
    query = {"seconds": 5}
    elsewhere = door_of(payments.go, "payments/i1")
    async with asyncio.TaskGroup() as group:
        first = group.create_task(door.fetch(pprof("profile"), query=query, timeout_s=30, whole=True))
        while not door.at_work:
            await asyncio.sleep(0.01)
        assert door.at_work == "pprof/profile?seconds=5"
        with pytest.raises(Busy, match="under way at payments/i1"):
            await door.fetch(pprof("profile"), query=query)
        async with asyncio.timeout(20):  # until it has begun: the other one asks Go itself
            while "net/http/pprof.sleep" not in await asyncio.to_thread(payments.stacks):
                await asyncio.sleep(0.05)
        with pytest.raises(Busy, match="already in use"):
            await elsewhere.fetch(pprof("profile"), query=query, timeout_s=30)
    assert gzip.decompress(first.result().body)
    assert door.at_work == ""
