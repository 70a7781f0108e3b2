"""Each deadline is kept, whatever comes before it, is dropped, or fails; one timer does it for all."""

import asyncio

import pytest

from diagmesh.serve.deadlines import Deadlines


async def test_they_come_in_order_of_their_time_not_of_their_coming() -> None:
    late: list[str] = []
    deadlines = Deadlines(late.append)
    for name, after_s in (("third", 0.09), ("first", 0.01), ("second", 0.05)):
        deadlines.add(name, after_s)
    assert len(deadlines) == 3
    async with asyncio.timeout(10):
        while len(late) < 3:
            await asyncio.sleep(0.01)
    assert late == ["first", "second", "third"]
    assert len(deadlines) == 0


async def test_never_before_its_time() -> None:
    loop = asyncio.get_running_loop()
    late: list[float] = []
    deadlines = Deadlines[float](lambda due: late.append(loop.time() - due))
    for after_s in (0.2, 0.1, 0.15):
        deadlines.add(loop.time() + after_s, after_s)
    async with asyncio.timeout(10):
        while len(late) < 3:
            await asyncio.sleep(0.01)
    assert min(late) > -0.002


async def test_what_is_dropped_never_comes_and_the_rest_still_does() -> None:
    late: list[str] = []
    deadlines = Deadlines(late.append)
    deadlines.add("soon", 0.01)
    deadlines.add("later", 0.05)
    deadlines.drop("soon")
    deadlines.drop("soon")
    deadlines.drop("never there")
    async with asyncio.timeout(10):
        while not late:
            await asyncio.sleep(0.01)
    assert late == ["later"]


async def test_added_anew_after_all_were_done() -> None:
    late: list[str] = []
    deadlines = Deadlines(late.append)
    for name in ("one", "two"):
        deadlines.add(name, 0.01)
        async with asyncio.timeout(10):
            while name not in late:
                await asyncio.sleep(0.01)
    assert late == ["one", "two"]


async def test_one_that_fails_costs_no_other_its_deadline(caplog: pytest.LogCaptureFixture) -> None:
    late: list[str] = []

    def expire(name: str) -> None:
        if name == "bad":
            raise RuntimeError("on purpose")
        late.append(name)

    deadlines = Deadlines(expire)
    for name, after_s in (("bad", 0.01), ("same time", 0.01), ("later", 0.05)):
        deadlines.add(name, after_s)
    async with asyncio.timeout(10):
        while len(late) < 2:
            await asyncio.sleep(0.01)
    assert late == ["same time", "later"]
    assert "on purpose" in caplog.text
