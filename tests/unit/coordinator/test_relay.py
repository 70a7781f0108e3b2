"""What one coordinator was told to forget, the others forget; on the operator's word alone, never on the sender's."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from diagmesh.contract.codec import encode
from diagmesh.contract.control import AUTH_HEADER
from diagmesh.control import sign
from diagmesh.keys import generate
from diagmesh.settings import CoordinatorSettings
from diagmesh_coordinator.program import Running
from support.lab import BEAT_S, Lab

OPERATOR, STRANGER = generate(), generate()
BODY = encode({"service": "orders", "instance": "lost"})


class Two(Lab):
    """Coordinators c1 and c2 that believe the operator; orders/lost is lost for both."""

    def __init__(self) -> None:
        super().__init__(operators=(OPERATOR.public,))
        settings = CoordinatorSettings(heartbeat_s=BEAT_S, operators=(OPERATOR.public,))
        self.second = Running(self.crowd.server.bus(), settings, "c2")

    async def begin(self) -> None:
        await self.start(warm=False)
        await self.second.start()
        await self.join("orders", "lost", interval_s=0.01)
        await asyncio.sleep(2 * BEAT_S)
        assert [self.knows(one) for one in (self.coordinator, self.second)] == [["lost"], ["lost"]]

    def knows(self, one: Running) -> list[str]:
        return [known.key.instance for known in one.directory.roster.instances("orders")]

    def auth(self, seed: bytes = OPERATOR.seed, body: bytes = BODY, boot: str = "") -> str:
        """Signed for c1, as it runs now unless another start is named."""
        boot = boot or self.coordinator.identity.boot
        words: dict[str, Any] = {"seed": seed, "subject": "diagctl.mesh.forget.c1", "body": body, "boot": boot}
        return sign(**words, now=time.time(), nonce=secrets.token_urlsafe(18))

    def event(self, auth: str, **changes: Any) -> bytes:
        """What c1 hands on."""
        us = self.coordinator.identity
        told = {"v": 1, "service": "mesh", "instance": us.instance, "boot": us.boot, "kind": "forget"}
        return msgspec.json.encode({**told, "detail": {"body": BODY.decode(), "auth": auth}, **changes})


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    made = Two()
    await made.begin()
    yield made
    await made.coordinator.stop()
    await made.second.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():
            await asyncio.sleep(0.01)


async def test_both_forget_what_one_was_told(two: Two) -> None:
    done = await two.ask("diagctl.mesh.forget.c1", BODY, {AUTH_HEADER: two.auth()})
    assert done.problem is None
    assert two.knows(two.coordinator) == []
    await until(lambda: two.knows(two.second) == [])


async def test_nobody_is_forgotten_on_the_word_of_a_stranger(two: Two) -> None:
    forged = [
        two.event(two.auth(STRANGER.seed)),
        two.event(two.auth(body=b'{"service":"payments"}')),
        two.event(two.auth(), boot="another start"),
        two.event(two.auth(boot="another start"), boot="another start"),  # signed for one that has ended
        two.event(two.auth(), instance="c7"),
        two.event(""),
        b"no event",
        two.event(two.auth(), detail={}),
        two.event("x" * 5000),
    ]
    for data in forged:
        await two.bus.publish("diagev.ev.mesh.forget", data)
    await asyncio.sleep(0.1)
    assert two.knows(two.second) == ["lost"]
    await two.bus.publish("diagev.ev.mesh.forget", two.event(two.auth()))
    await until(lambda: two.knows(two.second) == [])


async def test_who_may_not_be_asked_to_forget_does_not_do_it_on_the_way_round(two: Two) -> None:
    closed = CoordinatorSettings(heartbeat_s=BEAT_S, operators=(OPERATOR.public,), control=("log-level",))
    third = Running(two.crowd.server.bus(), closed, "c3")
    await third.start()
    try:
        await two.beat("orders", "lost", interval_s=0.01)
        await until(lambda: two.knows(third) == ["lost"])
        await until(lambda: "c1" in {known.key.instance for known in third.directory.coordinators.instances("mesh")})
        await two.bus.publish("diagev.ev.mesh.forget", two.event(two.auth()))
        await until(lambda: two.knows(two.second) == [])
        assert two.knows(third) == ["lost"]
    finally:
        await third.stop()


async def test_what_is_too_large_to_be_handed_on_is_not_even_read(two: Two, caplog: pytest.LogCaptureFixture) -> None:
    good = two.event(two.auth(), what="")
    room = 4096 - len(good)
    await two.bus.publish("diagev.ev.mesh.forget", two.event(two.auth(), what="x" * (room + 1)))
    await asyncio.sleep(0.1)
    assert two.knows(two.second) == ["lost"]
    assert "passed over what was handed on to be forgotten (1 so far): larger than 4096 bytes" in caplog.text
    await two.bus.publish("diagev.ev.mesh.forget", two.event(two.auth(), what="x" * room))
    await until(lambda: two.knows(two.second) == [])


async def test_what_was_handed_on_is_done_once(two: Two) -> None:
    data = two.event(two.auth())
    await two.bus.publish("diagev.ev.mesh.forget", data)
    await until(lambda: two.knows(two.second) == [])
    await two.beat("orders", "lost", interval_s=0.01)
    await asyncio.sleep(0.05)
    await two.bus.publish("diagev.ev.mesh.forget", data)
    await asyncio.sleep(0.1)
    assert two.knows(two.second) == ["lost"], "somebody plays it again"
