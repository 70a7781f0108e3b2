"""Expensive looks: one at a time, cached with their age, bounded in time, never on the loop."""

import asyncio
import threading
import time

import pytest

from diagmesh.adapters import refresh
from diagmesh.adapters.refresh import Refresher
from diagmesh.errors import NotRunning, Unreadable


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a look costs, the next one may come at once: its thread may be kept waiting on a busy machine."""
    monkeypatch.setattr(refresh, "_REST", 0.0)


async def test_many_askers_share_one_look_in_a_thread() -> None:
    threads = []

    def work() -> int:
        threads.append(threading.current_thread())
        time.sleep(0.1)
        return len(threads)

    refresher = Refresher("sockets", work, timeout_s=10)
    seen = await asyncio.gather(*(refresher.get(60) for _ in range(20)))
    assert [one.value for one in seen] == [1] * 20
    assert threads[0] is not threading.main_thread()


async def test_a_cached_look_tells_its_age_and_an_old_one_is_replaced(cheap: None) -> None:
    values = iter(range(10))
    refresher = Refresher("sockets", lambda: next(values), timeout_s=10)
    first = await refresher.get(60)
    await asyncio.sleep(0.05)
    cached = await refresher.get(60)
    fresh = await refresher.get(0)
    assert (first.value, cached.value, fresh.value) == (0, 0, 1)
    assert first.age_s < cached.age_s
    assert cached.age_s >= 0.04


async def test_what_is_expensive_is_not_looked_at_again_soon() -> None:
    values = iter(range(10))

    def slow() -> int:
        time.sleep(0.2)
        return next(values)

    refresher = Refresher("sockets", slow, timeout_s=10)
    assert [(await refresher.get(0)).value for _ in range(3)] == [0, 0, 0]


async def test_a_look_that_hangs_is_named_and_not_started_twice() -> None:
    release, started = threading.Event(), []

    def hanging() -> str:
        started.append(1)
        release.wait(20)
        return "late"

    refresher = Refresher("disks", hanging, timeout_s=0.05, fix="mount it again")
    for _ in range(3):
        with pytest.raises(Unreadable, match=r"disks: the look did not end within 0\.05 s \(mount it again\)"):
            await refresher.get(0)
    assert len(started) == 1
    release.set()
    async with asyncio.timeout(10):
        while refresher._last is None:
            await asyncio.sleep(0.01)
    assert (await refresher.get(60)).value == "late"


async def test_a_later_hang_still_gives_the_last_look_with_its_true_age(cheap: None) -> None:
    release, calls = threading.Event(), []

    def second_hangs() -> int:
        calls.append(1)
        if len(calls) > 1:
            release.wait(20)
        return len(calls)

    refresher = Refresher("disks", second_hangs, timeout_s=10)
    await refresher.get(0)
    refresher._timeout_s = 0.05
    await asyncio.sleep(0.05)
    stale = await refresher.get(0)
    release.set()
    assert stale.value == 1
    assert stale.age_s >= 0.09


async def test_what_the_look_raises_reaches_the_asker_and_the_next_one_looks_again() -> None:
    def gone() -> int:
        raise NotRunning("process 1 has ended")

    refresher = Refresher("sockets", gone, timeout_s=10)
    for _ in range(2):
        with pytest.raises(NotRunning):
            await refresher.get(60)


async def test_an_asker_that_gives_up_does_not_end_the_look() -> None:
    def slow() -> int:
        time.sleep(0.1)
        return 7

    refresher = Refresher("sockets", slow, timeout_s=10)
    asker = asyncio.create_task(refresher.get(60))
    await asyncio.sleep(0.01)
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    assert (await refresher.get(60)).value == 7


async def test_an_expensive_look_that_fails_is_not_repeated_soon_either() -> None:
    looks = []

    def failing() -> int:
        looks.append(1)
        time.sleep(0.2)
        raise Unreadable("sockets", "permission denied", "run it as root")

    refresher = Refresher("sockets", failing, timeout_s=10)
    for _ in range(3):
        with pytest.raises(Unreadable, match=r"sockets: permission denied \(run it as root\)"):
            await refresher.get(0)
    assert len(looks) == 1


async def test_a_cheap_failure_is_looked_at_again_whatever_age_is_allowed() -> None:
    looks = []

    def failing_once() -> int:
        looks.append(1)
        if len(looks) == 1:
            raise Unreadable("sockets", "permission denied")
        return 7

    refresher = Refresher("sockets", failing_once, timeout_s=10)
    with pytest.raises(Unreadable):
        await refresher.get(60)
    await asyncio.sleep(0.1)
    assert (await refresher.get(60)).value == 7


async def test_after_a_failure_an_earlier_look_is_not_told_as_the_last_one() -> None:
    outcomes: list[int | Exception] = [1, Unreadable("sockets", "permission denied"), 2]

    def work() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            time.sleep(0.2)
            raise outcome
        return outcome

    refresher = Refresher("sockets", work, timeout_s=10)
    assert (await refresher.get(60)).value == 1
    for _ in range(2):
        with pytest.raises(Unreadable):
            await refresher.get(0)


async def test_value_and_age_belong_together_while_a_look_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread may be stopped between any two of its steps: what it publishes, it publishes in one."""
    refresher = Refresher("sockets", lambda: 7, timeout_s=10)
    written = []
    plain = Refresher.__setattr__

    def noting(self: Refresher[int], name: str, value: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            written.append(name)
        plain(self, name, value)

    monkeypatch.setattr(Refresher, "__setattr__", noting)
    assert (await refresher.get(60)).value == 7
    assert len(written) == 1
