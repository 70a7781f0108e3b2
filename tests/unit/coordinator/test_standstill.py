"""A coordinator that stood still dates what it reads up afterwards, by the counts of those that beat."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from diagmesh.bus.memory import MemoryServer
from diagmesh.contract.presence import Heartbeat
from diagmesh.roster import Known
from diagmesh.roster.known import heard_again, heard_first
from diagmesh_coordinator.standstill import Standstill

AT = datetime(2026, 11, 27, tzinfo=UTC)
HELD_UP_S = 5.0


class Held:
    """A standstill on a clock of its own; the backlog ends when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.bus = MemoryServer().bus()
        self.ended = asyncio.Event()
        self.bus.barrier = self._barrier  # type: ignore[method-assign]  # of this one bus, to hold it up
        self.it = Standstill(self.bus, lambda: self.now)

    async def _barrier(self, timeout_s: float = 2.0) -> None:
        await self.ended.wait()


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    made = Held()
    made.it.start()
    yield made
    await made.it.stop()


def beat(n: int, boot: str = "b1", interval_s: float = 1.0) -> Heartbeat:
    return Heartbeat(v=1, boot=boot, n=n, interval_s=interval_s)


def known(n: int, at: float, interval_s: float = 1.0) -> Known:
    return heard_first("orders", "i1", beat(n, interval_s=interval_s), at, AT)


async def test_who_runs_dates_what_comes_by_its_arrival(held: Held) -> None:
    for _ in range(20):
        held.now += 0.9
        assert held.it.sent_at(known(1, 100.0), beat(2)) == held.now
    assert not held.it.behind


async def test_what_waited_is_dated_by_its_count(held: Held) -> None:
    one = known(7, 99.5)
    held.now += HELD_UP_S
    for n, expected in ((8, 100.5), (9, 101.5), (10, 102.5)):
        at = held.it.sent_at(one, beat(n))
        assert at == expected
        heard_again(one, beat(n), at, AT)
    assert held.it.behind
    assert held.it.sent_at(one, beat(99)) == held.now, "nothing was sent later than now"


async def test_nothing_was_sent_before_what_stands_in_front_of_it(held: Held) -> None:
    """One that starts meanwhile, or stood still itself, is dated by the others."""
    held.now += HELD_UP_S
    assert held.it.sent_at(None, beat(1, "new")) == 100.0, "sent after we ran last, for all that is known"
    assert held.it.sent_at(known(1, 99.0), beat(5)) == 103.0
    for strange in (None, known(4, 99.0)):
        assert held.it.sent_at(strange, beat(5, "new")) == 103.0
    assert held.it.sent_at(known(4, 99.0), beat(5)) == 103.0
    assert held.it.sent_at(known(4, 99.0), beat(-(2**63))) == 103.0


async def test_the_backlog_ends_where_the_server_says_so(held: Held) -> None:
    held.now += HELD_UP_S
    held.it.sent_at(None, beat(1))
    waiting = asyncio.create_task(held.it.caught_up(30.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    held.ended.set()
    await waiting
    assert not held.it.behind
    assert held.it.sent_at(known(1, 99.0), beat(2)) == held.now


async def test_a_second_standstill_while_it_reads_up_is_one_longer_backlog(held: Held) -> None:
    held.now += HELD_UP_S
    assert held.it.sent_at(None, beat(1)) == 100.0
    await asyncio.sleep(0)
    held.now += HELD_UP_S
    assert held.it.sent_at(None, beat(1)) == 100.0
    held.ended.set()
    await held.it.caught_up(30.0)
    assert not held.it.behind


async def test_with_the_connection_the_backlog_is_gone(held: Held) -> None:
    held.now += HELD_UP_S
    held.it.sent_at(None, beat(1))
    held.it.cut_off()
    await held.it.caught_up(30.0)
    assert held.it.sent_at(known(1, 99.0), beat(2)) == held.now
