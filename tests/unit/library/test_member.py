"""A member of the mesh: it comes, is asked, tells, survives a cut, and leaves on purpose."""

import asyncio
import itertools
import json
from typing import Any

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.presence import Heartbeat
from diagmesh.contract.wire import Answer, Nothing, Status
from diagmesh.declare import agent
from diagmesh.member import Member, addresses_of_instance, new_boot
from diagmesh.presence import Events, Heartbeats
from diagmesh.serve import AgentKinds, Identity
from diagmesh.testing import FakeTarget


class Seen(Answer, frozen=True, kw_only=True, gc=False):
    """What was seen."""

    n: int


@agent()
async def count(question: Nothing, target: Any) -> Seen:
    """Count something."""
    return Seen(n=1)


def member(bus: MemoryBus, boot: str = "b1", heartbeat_s: float = 0.05) -> Member:
    return Member(
        bus,
        Identity(service="orders", instance="i1", boot=boot, host="h"),
        AgentKinds([count], FakeTarget()),
        addresses_of_instance("orders", "i1"),
        heartbeat_s=heartbeat_s,
        labels={"zone": "a"},
    )


async def listen(bus: MemoryBus, subject: str) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []
    await bus.subscribe(subject, lambda message: heard.append(json.loads(message.data)))
    return heard


async def test_comes_is_asked_and_leaves() -> None:
    server = MemoryServer()
    asker = server.bus()
    beats = await listen(asker, "diagev.hb.*.*")
    one = member(server.bus())
    await one.start()
    await asyncio.sleep(0.2)
    reply = decode_reply((await asker.request("diag.orders.count.i1", timeout_s=1)).data)
    assert (reply.status, reply.boot) == (Status.ANSWERED, "b1")
    assert isinstance(reply.answer, msgspec.Raw)
    await one.drain(1)
    assert len(beats) >= 3
    assert [beat["n"] for beat in beats] == list(range(1, len(beats) + 1))
    assert beats[0] == {
        "v": 1, "boot": "b1", "n": 1, "interval_s": 0.05, "server": "memory", "host": "h",
        "kinds": ["count"], "version": beats[0]["version"], "labels": {"zone": "a"},
    }  # fmt: skip
    assert [beat.get("bye", False) for beat in beats[-2:]] == [False, True]
    after = len(beats)
    await asyncio.sleep(0.2)
    assert len(beats) == after


async def test_no_heartbeat_is_sent_late_and_one_at_once_after_a_cut() -> None:
    server = MemoryServer()
    beats = await listen(server.bus(), "diagev.hb.*.*")
    one = member(server.bus(), heartbeat_s=60)
    await one.start()
    await asyncio.sleep(0.02)
    assert len(beats) == 1
    server.cut()
    await asyncio.sleep(0.02)
    server.heal()
    await asyncio.sleep(0.02)
    assert [beat["n"] for beat in beats] == [1, 2]
    await one.drain(1)


async def test_boots_differ() -> None:
    assert len({new_boot() for _ in range(100)}) == 100


async def test_events_are_counted_not_repeated() -> None:
    server = MemoryServer()
    told = await listen(server.bus(), "diagev.ev.>")
    events = Events(server.bus(), "orders", "i1", "b1")
    for _ in range(1000):
        events.emit("forged-reply", "something was forged")
    for number in range(100):
        events.emit(f"kind-{number}", "flood")
    await events.flush()
    await asyncio.sleep(0.02)
    assert told[0]["count"] == 1000
    assert len(told) == 32
    assert events.lost == 69
    await events.flush()
    await asyncio.sleep(0.02)
    assert len(told) == 32


async def test_events_of_one_kind_with_other_words_are_counted_apart_as_far_as_there_is_room() -> None:
    server = MemoryServer()
    told = await listen(server.bus(), "diagev.ev.>")
    events = Events(server.bus(), "orders", "i1", "b1")
    for _ in range(3):
        events.emit("control", "refused: this key is none of our operators")
    events.emit("control", "refused: a control request must name its target")
    for number in range(100):
        events.emit("forged-reply", f"a question on {number}")
    server.cut()
    await events.flush()
    events.emit("control", "refused: this key is none of our operators")
    server.heal()
    await events.flush()
    await asyncio.sleep(0.02)
    control = {event["what"]: event.get("count", 1) for event in told if event["kind"] == "control"}
    assert control == {
        "refused: this key is none of our operators": 4,
        "refused: a control request must name its target": 1,
    }
    forged = [event.get("count", 1) for event in told if event["kind"] == "forged-reply"]
    assert (len(forged), sum(forged), events.lost) == (8, 100, 0)


async def test_an_event_that_comes_while_its_like_is_sent_is_told_once() -> None:
    server = MemoryServer()
    told = await listen(server.bus(), "diagev.ev.>")
    bus = server.bus()
    events = Events(bus, "orders", "i1", "b1")
    publish = bus.publish

    async def slow(*arguments: Any, **named: Any) -> None:
        await asyncio.sleep(0.02)
        await publish(*arguments, **named)

    bus.publish = slow  # type: ignore[method-assign]
    events.emit("x", "first")
    sending = asyncio.create_task(events.flush())
    await asyncio.sleep(0.01)
    events.emit("x", "second")
    await sending
    await events.flush()
    await asyncio.sleep(0.02)
    assert [(event["what"], event.get("count", 1)) for event in told] == [("first", 1), ("second", 1)]


async def test_events_have_a_pace() -> None:
    server = MemoryServer()
    told = await listen(server.bus(), "diagev.ev.>")
    events = Events(server.bus(), "orders", "i1", "b1")
    running = asyncio.create_task(events.run())
    for _ in range(20):
        events.emit("x", "again and again")
        await asyncio.sleep(0.01)
    assert len(told) == 1, "at most one a second"
    running.cancel()


async def test_heartbeats_and_events_outlive_a_bad_moment(caplog: pytest.LogCaptureFixture) -> None:
    server = MemoryServer()
    beats = await listen(server.bus(), "diagev.hb.*.*")
    bus = server.bus()
    publish, bad = bus.publish, [True]

    async def sometimes(*arguments: Any, **named: Any) -> None:
        if bad.pop() if bad else False:
            raise RuntimeError("something nobody thought of")
        await publish(*arguments, **named)

    one = member(bus)
    bus.publish = sometimes  # type: ignore[method-assign]
    await one.start()
    await asyncio.sleep(0.2)
    assert beats, "the next heartbeats came"
    assert "a heartbeat failed" in caplog.text
    await one.drain(1)


async def test_heartbeats_are_not_in_step() -> None:
    server = MemoryServer()
    at: list[float] = []
    loop = asyncio.get_running_loop()
    await server.bus().subscribe("diagev.hb.*.*", lambda _: at.append(loop.time()))
    one = member(server.bus(), heartbeat_s=0.1)
    await one.start()
    await asyncio.sleep(1.2)
    await one.drain(1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at[:-1])]
    assert max(gaps) - min(gaps) > 0.001
    assert min(gaps) < 0.0995, "jitter makes them come early, never late"


async def test_events_wait_for_the_next_connection() -> None:
    server = MemoryServer()
    told = await listen(server.bus(), "diagev.ev.>")
    events = Events(server.bus(), "orders", "i1", "b1")
    server.cut()
    events.emit("x", "during the cut")
    await events.flush()
    server.heal()
    await events.flush()
    await asyncio.sleep(0.02)
    assert [event["what"] for event in told] == ["during the cut"]


async def test_a_heartbeat_while_cut_is_dropped() -> None:
    server = MemoryServer()
    heard: list[Message] = []
    await server.bus().subscribe("diagev.>", heard.append)
    bus = server.bus()
    beats = Heartbeats(bus, "orders", "i1", lambda: Heartbeat(v=1, boot="b"), interval_s=5)
    server.cut()
    await beats.send()
    server.heal()
    await beats.send()
    await asyncio.sleep(0.02)
    assert [json.loads(message.data)["n"] for message in heard] == [1]
