"""`coordinator`: how a coordinator itself is, of one by name, and added up over all of them."""

import asyncio
from typing import Any

import msgspec
import pytest

from diagmesh.client import Mesh
from diagmesh.contract.answers.coordinator import Coordinator, CoordinatorState
from diagmesh.contract.codec import encode
from diagmesh.contract.mesh import ASK_HEADER, Ended
from diagmesh.errors import Declined
from diagmesh.settings import CoordinatorSettings, RuleSettings
from diagmesh_coordinator.fingerprint import fingerprint
from diagmesh_coordinator.loop_lag import Lags
from diagmesh_coordinator.program import Running
from support.lab import BEAT_S, Lab


@pytest.fixture
async def lab() -> Any:
    made = Lab()
    await made.start()
    yield made
    await made.coordinator.stop()


async def test_one_by_name_tells_all_of_itself(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await asyncio.sleep(0.6)  # the first look at the loop
    told = (await Mesh(lab.bus).one(Coordinator, "mesh", instance="c1")).answer
    assert (told.state, told.work.limit, told.work.in_work) == (CoordinatorState.UP, 64, 1)
    assert told.settings == fingerprint(CoordinatorSettings(instance="other", heartbeat_s=BEAT_S, deadline_s=1.0))
    assert told.working_on is None, "nobody asked about a question"
    assert told.loop_lag is not None
    assert told.loop_lag.p50_s <= told.loop_lag.p99_s <= told.loop_lag.max_s
    assert told.process is not None
    assert told.process.rss_bytes is not None
    assert told.process.rss_bytes > 1 << 20
    assert told.process.tasks > 2
    assert told.directory is not None
    assert (told.directory.instances, told.directory.live, told.directory.coordinators) == (1, 1, 1)
    assert told.link is not None
    assert (told.link.state, told.link.server, told.link.reconnects) == ("connected", "memory", 0)
    assert told.link.subscriptions > 3
    assert told.registry is not None
    assert (told.registry.state, told.registry.reason) == ("off", 'the settings say so (registry.keep = "off")')


async def test_brief_is_what_costs_nothing(lab: Lab) -> None:
    answered = await lab.ask("diag.mesh.coordinator.c1", {"detail": "brief"})
    assert isinstance(answered.answer, msgspec.Raw)
    fields = msgspec.json.decode(answered.answer)
    assert {"process", "directory", "link", "registry"}.isdisjoint(fields)
    assert fields["work"]["in_work"] == 1


async def test_whether_a_question_is_in_work_there(lab: Lab) -> None:
    await lab.join("orders", "hung", answers=False)
    question = encode({"timeout_ms": 800})
    slow = asyncio.create_task(lab.bus.request("diag.mesh.health", question, timeout_s=5, headers={ASK_HEADER: "x1"}))
    await asyncio.sleep(0.1)

    async def works_on(about: str) -> Any:
        answered = await lab.ask("diag.mesh.coordinator.all", {"about": about})
        assert isinstance(answered.answer, msgspec.Raw)
        return msgspec.json.decode(answered.answer)["working_on"]

    assert await works_on("x1") is True
    assert await works_on("x2") is False
    await slow
    assert await works_on("x1") is False


async def test_without_a_name_all_of_them_are_added_up_and_the_silent_named(lab: Lab) -> None:
    lab.connected.append("diag/mesh/frozen")
    second = Running(lab.crowd.server.bus(), CoordinatorSettings(heartbeat_s=BEAT_S), "c2")
    await second.start()
    await lab.beat("mesh", "frozen")
    await asyncio.sleep(1.4 * BEAT_S)
    result = await Mesh(lab.bus).all(Coordinator, timeout_s=0.8)
    told = await lab.sum("coordinator", timeout_ms=800)
    chosen = await Mesh(lab.bus).all(Coordinator, timeout_s=0.8, instances=("c2",))
    with pytest.raises(Declined, match="no coordinator is meant"):
        await Mesh(lab.bus).all(Coordinator, services=("orders",))
    await second.stop()
    assert [one.where for one in chosen.each] == ["mesh/c2"]
    assert [one.where for one in result.each] == ["mesh/c1", "mesh/c2"]
    assert (result.answer.expected, result.answer.answered, result.ended) == (3, 2, Ended.TIMEOUT)
    (silent,) = result.silent
    assert (silent.service, silent.instance) == ("mesh", "frozen")
    assert silent.reason == "connected but silent: it is hung, frozen or overloaded"
    assert (told.of, told.expected, told.answered, told.silent[0].reason) == ("coordinator", 3, 2, silent.reason)
    assert result.answer.fields["state"].counts == {"up": 2}
    assert result.answer.fields["link.subscriptions"].n == 2


async def test_one_by_name_adds_all_of_them_up_when_it_is_told_to(lab: Lab) -> None:
    """As another one is asked that has to help out; told to all at once, each tells of itself only."""
    second = Running(lab.crowd.server.bus(), CoordinatorSettings(heartbeat_s=BEAT_S), "c2")
    await second.start()
    await asyncio.sleep(1.4 * BEAT_S)
    for name in ("", ".c1"):
        told = await lab.sum(f"coordinator{name}", sum=True, each=True)
        assert (told.of, told.answered) == ("coordinator", 2)
        assert [one.instance for one in told.each or ()] == ["c1", "c2"]
    answered = await lab.ask("diag.mesh.coordinator.all", {"sum": True})
    heard = await Mesh(lab.bus).one("coordinator", "mesh", timeout_s=3.0)
    await second.stop()
    assert isinstance(answered.answer, msgspec.Raw)
    assert "work" in msgspec.json.decode(answered.answer)
    assert heard.answer.answered == 2


async def test_a_wrong_field_is_refused_with_those_that_there_are(lab: Lab) -> None:
    answered = await lab.ask("diag.mesh.coordinator.c1", {"abuot": "x"})
    assert answered.problem is not None
    assert "about" in answered.problem.hint


def test_settings_that_judge_differently_have_another_fingerprint() -> None:
    base = CoordinatorSettings(instance="c1", rules=(RuleSettings(code="RES-001", limits={"busy_share": 0.5}),))
    same = msgspec.structs.replace(base, instance="c2", metrics="9464", operators=("U",), log_level="debug")
    assert fingerprint(base) == fingerprint(same)
    for change in ({"rules": ()}, {"replicas": {"orders": 2}}, {"forget_after_s": 60.0}, {"deadline_s": 3.0}):
        assert fingerprint(msgspec.structs.replace(base, **change)) != fingerprint(base)


def test_the_lag_of_the_last_minute_and_no_longer() -> None:
    now = cpu = 0.0
    lags = Lags(lambda: now, lambda: cpu)
    assert lags.told() is None
    assert lags.cores_used() is None
    for number in range(300):
        now, cpu = now + 0.5, cpu + 0.1
        lags.observe(9.0 if number == 0 else 0.3 if number == 298 else 0.001)
    told = lags.told()
    assert told is not None
    assert (told.over_s, told.p50_s, told.p99_s, told.max_s) == (60.0, 0.001, 0.001, 0.3)
    assert lags.cores_used() == 0.2
