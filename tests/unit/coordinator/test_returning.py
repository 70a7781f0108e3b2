"""After the coordinator's connection was away: nobody who may still come back is called lost."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from diagmesh.contract.directory import InstanceState
from diagmesh.contract.mesh import Ended
from diagmesh.expected import Key
from diagmesh_coordinator.returning import Returning
from support.lab import Lab

I1, P1 = Key("orders", "i1"), Key("payments", "p1")


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """A coordinator that beats slowly, so that no outage here is a long one; its directory is warm."""
    made = Lab(heartbeat_s=30.0)
    await made.start(warm=False)
    made.coordinator.directory._warm = True
    yield made
    await made.coordinator.stop()


async def restart(lab: Lab) -> None:
    """The server was away for a moment; nobody but the coordinator is back."""
    lab.connected.clear()
    lab.crowd.server.cut()
    await asyncio.sleep(0.05)
    lab.crowd.server.heal()


async def back(lab: Lab, service: str, instance: str) -> None:
    lab.connected.append(f"diag/{service}/{instance}")
    await lab.beat(service, instance)


async def test_who_has_not_returned_yet_is_not_called_lost(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await lab.join("payments", "p1", answers=False)
    assert (await lab.services()).ended is Ended.COMPLETE
    await restart(lab)
    await back(lab, "orders", "i1")
    total = await lab.sum()
    assert (total.ended, total.expected, total.answered) == (Ended.WARMING, 2, 1)
    (silent,) = total.silent
    assert silent.instance == "p1"
    assert silent.reason.startswith("unknown: the server was back for ")
    assert "its sidecar had not returned yet" in silent.reason
    services = await lab.services()
    states = {one.instance: one.state for entry in services.services for one in entry.instances}
    assert states == {"i1": InstanceState.LIVE, "p1": InstanceState.UNKNOWN}
    assert (services.ended, services.live, services.missing) == (Ended.WARMING, 1, 1)
    assert "its sidecar had not returned yet" in services.services[1].instances[0].reason


async def test_a_question_right_after_the_return_waits_a_moment_for_the_others(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await lab.join("payments", "p1")
    await restart(lab)
    asking = asyncio.create_task(lab.sum(timeout_ms=3000))
    await asyncio.sleep(0.2)
    assert not asking.done()
    for key in (I1, P1):
        await back(lab, *key)
    total = await asking
    assert (total.ended, total.answered, total.silent) == (Ended.COMPLETE, 2, ())


async def test_once_all_were_heard_again_it_is_as_before(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await lab.join("payments", "p1")
    await restart(lab)
    for key in (I1, P1):
        await back(lab, *key)
    lab.connected.remove("diag/payments/p1")
    services = await lab.services()
    assert services.ended is Ended.COMPLETE
    states = {one.instance: one.state for entry in services.services for one in entry.instances}
    assert states["p1"] is InstanceState.NOT_CONNECTED, "it came back and is gone now: that is a fact"


async def test_who_leaves_right_after_the_return_is_waited_for_no_longer(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await restart(lab)
    await lab.beat("orders", "i1", bye=True)
    total = await lab.sum()
    assert (total.ended, total.expected, total.silent) == (Ended.COMPLETE, 0, ())


async def test_when_only_our_own_connection_broke_nobody_is_waited_for(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await lab.join("payments", "p1")
    connected = list(lab.connected)
    await restart(lab)
    lab.connected += connected
    began = time.monotonic()
    total = await lab.sum(timeout_ms=6000)
    assert time.monotonic() - began < 2.8, "half of the time is what is waited for those that are not connected"
    assert (total.answered, total.silent) == (2, ())
    assert total.ended is Ended.WARMING, "they were not heard yet"
    assert (await lab.services()).live == 2


async def test_nobody_is_forgotten_who_may_still_come_back(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await restart(lab)
    assert await lab.coordinator.directory.forget("orders", "i1") == ((), (I1,))


def test_after_three_seconds_the_missing_are_missing() -> None:
    returning = Returning()
    assert returning.away(0) == set()
    returning.begin({I1, P1}, 10)
    returning.heard(I1)
    assert returning.away(12.9) == {P1}
    (reason,) = returning.absences({P1}, 12.9).values()
    assert str(reason).startswith("unknown: the server was back for 2.9 s only")
    assert returning.away(13) == set()
