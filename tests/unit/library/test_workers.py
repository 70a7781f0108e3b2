"""Threads per kind: bounded, apart from each other, and honest when they hang."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from diagmesh import workers
from diagmesh.errors import Unavailable
from diagmesh.workers import KindThreads, current_budget_s, current_kind


@pytest.fixture
def threads() -> Iterator[KindThreads]:
    made = KindThreads()
    yield made
    gate.set()
    made.shutdown()


gate = threading.Event()


async def in_kind(kind: str, threads: KindThreads) -> str:
    asyncio.get_running_loop().set_default_executor(threads)
    current_kind.set(kind)
    return await asyncio.to_thread(lambda: threading.current_thread().name)


async def all_running(threads: KindThreads) -> None:
    async with asyncio.timeout(10):
        while threads.running() < 4:
            await asyncio.sleep(0.01)


async def test_each_kind_has_its_own_threads(threads: KindThreads) -> None:
    names = await asyncio.gather(*(in_kind(kind, threads) for kind in ("health", "resources")))
    assert [name.rsplit("_", 1)[0] for name in names] == ["look-health", "look-resources"]


async def test_hanging_looks_are_refused_at_once(threads: KindThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_HANGING_S", 0.05)
    gate.clear()
    current_kind.set("health")
    hung = [threads.submit(gate.wait, 20) for _ in range(4)]
    await all_running(threads)
    await asyncio.sleep(0.1)
    assert threads.running() == 4
    with pytest.raises(Unavailable, match="4 earlier looks for health still hang"):
        threads.submit(print)
    current_kind.set("resources")
    assert threads.submit(lambda: 7).result(5) == 7
    gate.set()
    assert all(future.result(5) for future in hung)


async def test_a_look_with_a_long_budget_does_not_hang_yet(
    threads: KindThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_HANGING_S", 0.05)
    gate.clear()
    current_kind.set("health")
    current_budget_s.set(30)
    running = [threads.submit(gate.wait, 20) for _ in range(4)]
    await asyncio.sleep(0.1)
    waiting = threads.submit(lambda: 7)
    gate.set()
    assert waiting.result(5) == 7
    assert all(future.result(5) for future in running)


async def test_the_queue_is_bounded(threads: KindThreads) -> None:
    gate.clear()
    current_kind.set("health")
    waiting = [threads.submit(gate.wait, 20) for _ in range(4)]
    await all_running(threads)
    waiting += [threads.submit(gate.wait, 20) for _ in range(64)]
    with pytest.raises(Unavailable, match="64 looks for health wait already"):
        threads.submit(print)
    assert waiting[-1].cancel()
    waiting[-1] = threads.submit(gate.wait, 20)
    gate.set()
    assert all(future.result(10) for future in waiting)
