"""The control door of a member: closed, half open, open; what is refused, and what is told of it."""

import asyncio
import time

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryServer
from diagmesh.contract.codec import decode_reply, encode
from diagmesh.contract.control import AUTH_HEADER, LogLevelQuestion
from diagmesh.contract.presence import Event
from diagmesh.contract.wire import Answer, Reply, Status
from diagmesh.control import sign
from diagmesh.control_door import ControlDoor, ControlKind, Done
from diagmesh.errors import BusError, SettingsError
from diagmesh.keys import generate
from diagmesh.serve import Identity

OPERATOR, STRANGER = generate(), generate()
TARGET = "diagctl.orders.log-level.i1"
HOW = "say so in the settings"


class Doing(Answer, frozen=True, kw_only=True, gc=False):
    """What was done."""

    level: str


class House:
    """A door on a bus in memory, somebody who knocks, and what is told of it."""

    def __init__(
        self,
        operators: tuple[str, ...] = (OPERATOR.public,),
        allowed: tuple[str, ...] = ("log-level",),
        boot: str = "boot-1",
    ) -> None:
        self.server = MemoryServer()
        self.bus = self.server.bus()
        self.done: list[LogLevelQuestion] = []
        self.refused: list[str] = []
        self.events: list[Event] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fails = False
        self.us = Identity(service="orders", instance="i1", boot=boot, host="here")
        kind = ControlKind("log-level", LogLevelQuestion, lambda question: question.level, self._do, "Log.")
        self.door = ControlDoor(
            self.server.bus(), self.us, [kind], operators, allowed=allowed, how=HOW, emit=self._refusal
        )
        self._nonces = 0

    async def start(self) -> "House":
        await self.bus.subscribe("diagev.ev.orders.control", self._told)
        await self.door.start()
        return self

    def header(self, subject: str, body: bytes, *, seed: bytes = OPERATOR.seed, boot: str = "boot-1") -> dict[str, str]:
        self._nonces += 1
        nonce = f"{self._nonces:024}"
        return {AUTH_HEADER: sign(seed=seed, subject=subject, body=body, boot=boot, now=time.time(), nonce=nonce)}

    async def ask(self, subject: str = TARGET, body: object = None, headers: dict[str, str] | None = None) -> Reply:
        data = encode({"level": "debug"} if body is None else body)
        headers = self.header(subject, data) if headers is None else headers
        return decode_reply((await self.bus.request(subject, data, timeout_s=3.0, headers=headers)).data)

    async def _do(self, question: LogLevelQuestion, by: str) -> Done:
        assert by == OPERATOR.public
        await self.go_on.wait()
        if self.fails:
            raise RuntimeError("secret internals")
        self.done.append(question)
        return Done(Doing(level=question.level), "as wished")

    def _refusal(self, kind: str, what: str) -> None:
        self.refused.append(f"{kind} {what}")

    def _told(self, message: Message) -> None:
        self.events.append(msgspec.json.decode(message.data, type=Event))


def code(reply: Reply) -> int:
    assert reply.problem is not None
    return reply.problem.code


async def test_what_an_operator_signed_is_done_and_both_are_events_without_the_signature() -> None:
    house = await House().start()
    reply = await house.ask()
    assert reply.status is Status.ANSWERED
    assert [one.level for one in house.done] == ["debug"]
    assert [event.what for event in house.events] == [
        "accepted: log-level debug",
        "done: log-level debug: as wished",
    ]
    for event in house.events:
        assert (event.kind, event.service, event.instance, event.boot) == ("control", "orders", "i1", "boot-1")
        assert event.detail == {"operator": OPERATOR.public}
    assert house.refused == []
    await house.door.stop(1)


@pytest.mark.parametrize(
    ("operators", "allowed", "says"),
    [
        ((), (), "control is closed"),
        ((), ("log-level",), "control is closed"),
        ((OPERATOR.public,), (), "log-level is not allowed here"),
        ((OPERATOR.public,), ("other",), "log-level is not allowed here"),
    ],
    ids=["closed", "no operators", "nothing allowed", "something else allowed"],
)
async def test_a_closed_door_says_how_it_is_opened(
    operators: tuple[str, ...], allowed: tuple[str, ...], says: str
) -> None:
    house = await House(operators, allowed).start()
    for subject in (TARGET, "diagctl.orders.log-level.all", "diagctl.orders.log-level"):
        reply = await house.ask(subject)
        assert reply.problem is not None
        assert (reply.problem.code, reply.problem.detail, reply.problem.hint) == (403, says, HOW)
    assert house.refused == [f"control refused: log-level: {says}"] * 3
    assert (house.done, house.events) == ([], [])


@pytest.mark.parametrize("subject", ["diagctl.orders.log-level.all", "diagctl.orders.log-level"])
async def test_a_request_names_its_target(subject: str) -> None:
    house = await House().start()
    reply = await house.ask(subject)
    assert reply.problem is not None
    assert (reply.problem.code, reply.problem.hint) == (400, f"ask {TARGET}")
    assert house.done == []
    assert house.refused == ["control refused: log-level: a control request must name its target"]


async def test_a_request_is_good_once_and_for_one_start_subject_body_and_operator() -> None:
    house = await House().start()
    body = encode({"level": "debug"})
    good = house.header(TARGET, body)
    assert (await house.ask(headers=good)).status is Status.ANSWERED
    assert code(await house.ask(headers=good)) == 403, "a replay"
    for headers in (
        {},
        house.header(TARGET, body, boot="an earlier start"),
        house.header(TARGET, body, seed=STRANGER.seed),
        house.header(TARGET, encode({"level": "error"})),
        house.header("diagctl.orders.log-level.i2", body),
    ):
        assert code(await house.ask(headers=headers)) == 403
    assert len(house.done) == 1
    assert len(house.refused) == 6
    assert not any(good[AUTH_HEADER] in one or "Diag-Auth: U" in one for one in house.refused)


async def test_a_recorded_request_is_refused_by_the_next_start() -> None:
    house = await House().start()
    body = encode({"level": "debug"})
    recorded = house.header(TARGET, body)
    assert (await house.ask(headers=recorded)).status is Status.ANSWERED
    await house.door.stop(1)
    again = await House(boot="boot-2").start()
    assert code(await again.ask(headers=recorded)) == 403
    assert again.done == []


async def test_what_a_stranger_writes_is_not_read_and_what_an_operator_writes_wrong_is_refused() -> None:
    house = await House().start()
    assert code(await house.ask(body={"level": "MARK"}, headers={})) == 403
    assert code(await house.ask(body={"level": "loud"})) == 400
    assert code(await house.ask(body={"level": "debug", "for_s": 1e9})) == 400
    assert code(await house.ask(body={"level": "debug", "more": "x" * 70_000})) == 413
    assert house.done == []
    assert len(house.refused) == 4
    assert not any("MARK" in one for one in house.refused)


@pytest.mark.parametrize("reply", ["", "diagctl.payments.log-level.p1"])
async def test_without_an_inbox_nothing_is_done_even_with_a_good_signature(reply: str) -> None:
    house = await House().start()
    body = encode({"level": "debug"})
    await house.bus.publish(TARGET, body, reply=reply, headers=house.header(TARGET, body))
    await asyncio.sleep(0.05)
    assert house.done == []
    assert house.refused[0] == "control refused: log-level: without an inbox for the answer, nobody asked for this"


async def test_an_unknown_kind_is_404_and_told() -> None:
    house = await House().start()
    reply = await house.ask("diagctl.orders.chaos.i1")
    assert reply.problem is not None
    assert (reply.problem.code, reply.problem.hint) == (404, "kinds: log-level")
    assert house.refused == ["control refused: there is no such control kind"]


async def test_what_fails_is_told_without_internals() -> None:
    house = await House().start()
    house.fails = True
    reply = await house.ask()
    assert code(reply) == 500
    assert [event.what for event in house.events] == [
        "accepted: log-level debug",
        "failed: log-level debug: RuntimeError",
    ]
    assert "secret internals" not in encode(reply).decode()


async def test_only_a_few_are_done_at_a_time() -> None:
    house = await House().start()
    house.go_on.clear()
    waiting = [asyncio.ensure_future(house.ask()) for _ in range(4)]
    async with asyncio.timeout(5):
        while sum(event.what.startswith("accepted") for event in house.events) < 4:
            await asyncio.sleep(0)
    assert code(await house.ask()) == 429
    assert house.refused == ["control refused: log-level: busy"]
    house.go_on.set()
    assert {one.status for one in await asyncio.gather(*waiting)} == {Status.ANSWERED}


def test_an_operator_that_is_no_key_is_named_at_the_start() -> None:
    with pytest.raises(SettingsError, match="operators"):
        House(operators=("nonsense",))


async def test_while_the_mesh_is_away_it_still_does_what_came_before(caplog: pytest.LogCaptureFixture) -> None:
    house = await House().start()
    house.go_on.clear()
    asked = asyncio.ensure_future(house.ask())
    async with asyncio.timeout(5):
        while not house.events:
            await asyncio.sleep(0)
    house.server.cut()
    house.go_on.set()
    with pytest.raises(BusError):
        await asked
    assert len(house.done) == 1
    assert "a control event could not be told" in caplog.text
