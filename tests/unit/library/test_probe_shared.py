import asyncio

import pytest

from diagmesh.adapters.probes.shared import Shared
from diagmesh.target import ProbeResult
from diagmesh.testing import FakeProbe


async def test_questions_at_the_same_time_share_one_look() -> None:
    probe = FakeProbe(takes_s=0.05)
    shared = Shared(probe)
    results = await asyncio.gather(*(shared.look() for _ in range(50)))
    assert probe.looks == 1
    assert {result.age_s for result in results} == {0.0}


async def test_a_young_result_is_told_again_with_its_age() -> None:
    probe = FakeProbe()
    shared = Shared(probe, fresh_s=30)
    assert (await shared.look()).age_s == 0.0
    await asyncio.sleep(0.02)
    again = await shared.look()
    assert probe.looks == 1
    assert again.age_s >= 0.015


async def test_an_old_result_is_looked_at_again() -> None:
    probe = FakeProbe()
    shared = Shared(probe, fresh_s=0.01)
    await shared.look()
    await asyncio.sleep(0.05)
    assert (await shared.look()).age_s == 0.0
    assert probe.looks == 2


async def test_one_who_leaves_does_not_end_the_look_of_the_others() -> None:
    probe = FakeProbe(takes_s=0.1)
    shared = Shared(probe)
    leaving, staying = asyncio.create_task(shared.look()), asyncio.create_task(shared.look())
    await asyncio.sleep(0.01)
    leaving.cancel()
    result = await staying
    assert isinstance(result, ProbeResult)
    assert leaving.cancelled()
    assert probe.looks == 1


async def test_the_look_ends_with_the_last_who_wants_it_and_the_next_begins_anew() -> None:
    probe = FakeProbe(takes_s=30)
    shared = Shared(probe)
    waiting = [asyncio.create_task(shared.look()) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "probe door"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await shared.look()
    assert probe.looks == 2
