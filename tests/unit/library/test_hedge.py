"""A question to any coordinator: whoever is frozen, gone, busy or warming costs the hedge, no more."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.client import Mesh
from diagmesh.contract import subjects
from diagmesh.contract.chunks import CHUNK_HEADER, SIZE_HEADER, cut
from diagmesh.contract.codec import encode
from diagmesh.contract.mesh import ASK_HEADER, Ended, MeshAnswer
from diagmesh.contract.wire import Problem, Reply, Status
from diagmesh.errors import Declined, NoAnswer, NoResponders, NotPermitted, Unreadable
from diagmesh.member import addresses_of_coordinator
from support.crowd import reply

FINE = MeshAnswer(of="health", expected=1, answered=1)
WARMING = msgspec.structs.replace(FINE, ended=Ended.WARMING)
LOST = msgspec.structs.replace(FINE, ended=Ended.CONNECTION_LOST)
BUSY = Problem(code=429, error="busy")
LEAVING = Problem(code=503, error="cannot look now", detail="this member is leaving the mesh")
Said = MeshAnswer | Problem | None
Spoil = Callable[[int, bytes, dict[str, str]], tuple[bytes, dict[str, str]]]
"""What becomes of the n-th message, from 0: its bytes and headers."""


class Pair:
    """Coordinators as a test wants them; those that take part in the queue group are asked first."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.bus = self.server.bus()
        self.mesh = Mesh(self.server.bus())
        self.told: list[str] = []
        self.mesh.coordinators.on_hedge = self.told.append
        self.asked: list[tuple[str, Message]] = []
        self.asked_at: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(
        self,
        name: str,
        says: Said = FINE,
        *,
        first: bool = False,
        after_s: float = 0.0,
        alive: bool = True,
        chunks: slice | None = None,
        spoil: Spoil = lambda _, data, headers: (data, headers),
    ) -> Callable[[], Any]:
        """One coordinator; returns what ends it.

        ``alive``: whether it says how it is; ``chunks``: which it sends; ``spoil``: what they are turned into.
        """
        bus, under_way = self.server.bus(), set[str]()

        async def answer(message: Message) -> None:
            ask_id = (message.headers or {})[ASK_HEADER]
            under_way.add(ask_id)
            await asyncio.sleep(after_s)
            under_way.discard(ask_id)
            for number, (data, headers) in enumerate(_messages(name, says, chunks)):
                sent, said = spoil(number, data, headers or {})
                await bus.publish(message.reply, sent, headers=said or None)

        async def look(message: Message) -> None:
            about = msgspec.json.decode(message.data)["about"]
            whole = {"working_on": about in under_way}
            await bus.publish(message.reply, encode(_reply(name, whole, "coordinator")))

        def take(message: Message) -> None:
            itself = subjects.kind_of(message.subject) == "coordinator"
            if itself and not alive:
                return
            if not itself:
                self.asked.append((name, message))
                self.asked_at.append(time.monotonic())
            task = asyncio.get_running_loop().create_task(look(message) if itself else answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        for address in addresses_of_coordinator(name):
            if first or not address.queue:
                await bus.subscribe(address.subject, take, queue=address.queue)
        return bus.close

    @property
    def order(self) -> list[str]:
        """Who was asked for the sum."""
        return [name for name, _ in self.asked]


def _messages(name: str, says: Said, chunks: slice | None) -> list[tuple[bytes, dict[str, str] | None]]:
    if says is None:
        return []
    data = encode(_reply(name, says))
    several: list[tuple[bytes, dict[str, str] | None]] = [*cut(data, 50, name, f"mesh/{name}")]
    return [(data, None)] if chunks is None else several[chunks]


def _reply(name: str, said: Any, kind: str = "health") -> Reply:
    if isinstance(said, Problem):
        status = Status.DECLINED if said.code == 429 else Status.UNAVAILABLE
        return reply("mesh", name, kind=kind, status=status, problem=said)
    return reply("mesh", name, kind=kind, answer=said)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    yield made
    assert made.mesh.bus.held.inboxes == 0, "nothing waits for replies any more"


async def test_a_silent_one_costs_the_hedge_and_the_other_has_what_time_is_left(pair: Pair) -> None:
    await pair.add("c1", None, first=True, alive=False)
    await pair.add("c2")
    result = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (result.coordinator, pair.order) == ("c2", ["c1", "c2"])
    assert result.hedged == "a coordinator did not answer within 500 ms; c2 answered"
    assert pair.told == [result.hedged]
    first, second = (msgspec.json.decode(message.data)["timeout_ms"] for _, message in pair.asked)
    assert first == 3000
    assert second <= 2500
    assert pair.asked[1][1].subject == "diag.mesh.health.c2"


async def test_questions_side_by_side_tell_once_who_helped(pair: Pair) -> None:
    await pair.add("c1", None, first=True, alive=False)
    await pair.add("c2")
    many = await asyncio.gather(*(pair.mesh.mesh("health", timeout_s=3.0) for _ in range(3)))
    assert {result.hedged for result in many} == {"a coordinator did not answer within 500 ms; c2 answered"}
    assert pair.told == [many[0].hedged]


async def test_an_answer_in_chunks_is_one_answer(pair: Pair) -> None:
    await pair.add("c1", first=True, chunks=slice(None))
    result = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (result.coordinator, result.answer.expected, result.hedged) == ("c1", 1, "")


async def test_half_an_answer_is_none_and_the_other_is_asked(pair: Pair) -> None:
    await pair.add("c1", first=True, alive=False, chunks=slice(2))
    await pair.add("c2")
    result = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (result.coordinator, pair.order) == ("c2", ["c1", "c2"])


async def test_half_an_answer_is_told_when_nobody_else_can_be_asked(pair: Pair) -> None:
    await pair.add("c1", first=True, chunks=slice(2))
    with pytest.raises(NoAnswer, match=r"within 0.7 s: mesh/c1, .*: 2 of \d+ chunks of its reply came"):
        await pair.mesh.mesh("health", timeout_s=0.2)


async def test_whoever_says_that_it_works_on_it_is_waited_for_and_nobody_else_is_asked(pair: Pair) -> None:
    await pair.add("c1", first=True, after_s=1.3)
    await pair.add("c2")
    result = await pair.mesh.mesh("health", timeout_s=5.0)
    assert (result.coordinator, result.hedged, pair.order) == ("c1", "", ["c1"])


async def test_without_a_coordinator_that_is_told_at_once(pair: Pair) -> None:
    began = time.monotonic()
    with pytest.raises(NoResponders, match=r"nobody listens on diag\.mesh\.services"):
        await pair.mesh.services(timeout_s=30.0)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (BUSY, "coordinator c1 is busy; c2 answered"),
        (LEAVING, "coordinator c1 cannot tell now; c2 answered"),
        (WARMING, "coordinator c1 has just started or come back and does not know yet who is missing; c2 answered"),
        (LOST, "coordinator c1 lost its connection meanwhile; c2 answered"),
    ],
)
async def test_one_that_cannot_tell_is_passed_over(pair: Pair, says: Said, words: str) -> None:
    await pair.add("c1", says, first=True)
    await pair.add("c2")
    result = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (result.coordinator, result.hedged, result.ended) == ("c2", words, Ended.COMPLETE)


async def test_where_none_can_tell_more_the_least_poor_answer_is_taken(pair: Pair) -> None:
    await pair.add("c1", BUSY, first=True)
    await pair.add("c2", WARMING)
    result = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (result.coordinator, result.ended) == ("c2", Ended.WARMING)
    alone = Pair()
    await alone.add("c1", BUSY, first=True)
    with pytest.raises(Declined, match="busy"):
        await alone.mesh.mesh("health", timeout_s=3.0)
    assert alone.told == []


async def test_where_all_are_silent_that_is_told_within_the_time(pair: Pair) -> None:
    await pair.add("c1", None, first=True, alive=False)
    await pair.add("c2", None, alive=False)
    with pytest.raises(NoAnswer, match="frozen, overloaded or has just ended"):
        await pair.mesh.services(timeout_s=1.2)
    assert pair.order == ["c1"]


async def test_one_that_works_on_for_too_long_is_named(pair: Pair) -> None:
    await pair.add("c1", first=True, after_s=5.0)
    with pytest.raises(NoAnswer, match="coordinator c1 is alive and still works on it"):
        await pair.mesh.services(timeout_s=1.0)


async def test_a_late_answer_of_the_first_still_counts(pair: Pair) -> None:
    await pair.add("c1", first=True, after_s=0.9, alive=False)
    await pair.add("c2", None)
    async with asyncio.timeout(30):  # and at once, not when the time is over
        result = await pair.mesh.mesh("health", timeout_s=60.0)
    assert (result.coordinator, pair.order) == ("c1", ["c1", "c2"])
    assert "c2 was asked as well, and the first one answered" in result.hedged


async def test_a_role_that_may_ask_no_coordinator_by_its_name_waits_for_the_first(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.add("c1", first=True, after_s=1.0, alive=False)
    await pair.add("c2")
    publish = MemoryBus.publish

    async def restricted(bus: MemoryBus, subject: str, data: bytes = b"", **more: Any) -> None:
        if subject == subjects.ask_mesh("health", "c2"):
            raise NotPermitted(f"not permitted: this role may not publish {subject}", subject)
        await publish(bus, subject, data, **more)

    monkeypatch.setattr(MemoryBus, "publish", restricted)
    result = await pair.mesh.mesh("health", timeout_s=5.0)
    assert (result.coordinator, result.hedged, pair.order) == ("c1", "", ["c1"])


async def test_whoever_helped_is_asked_first_from_then_on_until_it_goes(pair: Pair) -> None:
    await pair.add("c1", None, first=True, alive=False)
    leave = await pair.add("c2")
    await pair.mesh.mesh("health", timeout_s=3.0)
    again = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (again.coordinator, again.hedged, pair.order) == ("c2", "", ["c1", "c2", "c2"])
    await leave()
    await pair.add("c3")
    other = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (other.coordinator, pair.order[3:]) == ("c3", ["c1", "c3"])


async def test_a_coordinator_that_is_named_is_the_only_one_that_is_asked(pair: Pair) -> None:
    await pair.add("c1", None, alive=False)
    await pair.add("c2")
    with pytest.raises(NoAnswer):
        await pair.mesh.one("health", "mesh", instance="c1", timeout_s=0.9)
    assert pair.order == ["c1"]


async def test_who_helps_at_the_end_has_time_to_find_out_who_is_silent(pair: Pair) -> None:
    end = await pair.add("c1", first=True, after_s=30.0)
    await pair.add("c2")
    began = time.monotonic()
    asking = asyncio.create_task(pair.mesh.mesh("health", timeout_s=2.0))
    await asyncio.sleep(0.6)
    await end()
    result = await asking
    assert (result.coordinator, pair.order) == ("c2", ["c1", "c2"])
    left_ms = 1000 * (began + 2.0 - pair.asked_at[1])
    assert left_ms - 10 <= msgspec.json.decode(pair.asked[1][1].data)["timeout_ms"] <= 1400


async def test_where_one_answered_lately_nobody_may_be_there_for_a_moment(pair: Pair) -> None:
    """All of them were on one server, say, which has just ended."""
    end = await pair.add("c1", first=True)
    await pair.mesh.mesh("health", timeout_s=3.0)
    await end()
    asking = asyncio.create_task(pair.mesh.mesh("health", timeout_s=3.0))
    await asyncio.sleep(0.15)
    await pair.add("c2", first=True)
    assert (await asking).coordinator == "c2"


async def test_when_none_comes_back_that_is_said_and_not_hoped_for_again(pair: Pair) -> None:
    asked: list[str] = []
    send = pair.mesh.bus.publish

    async def publish(subject: str, *given: Any, **more: Any) -> None:
        asked.append(subject)
        await send(subject, *given, **more)

    end = await pair.add("c1", first=True)
    await pair.mesh.mesh("health", timeout_s=3.0)
    await end()
    pair.mesh.bus.publish = publish  # type: ignore[method-assign]  # of this one bus, to count
    tries = []
    for _ in range(3):
        asked.clear()
        with pytest.raises(NoResponders):
            await pair.mesh.services(timeout_s=3.0)
        tries.append(len(asked))
    assert tries[0] > 1
    assert tries[1:] == [1, 1]


def damaged(header: str) -> Spoil:
    """The last chunk says something else than the others."""
    return lambda number, data, headers: (data, {**headers, header: "7"} if number else headers)


SPOILT: dict[str, tuple[Spoil, str]] = {
    "size": (damaged(SIZE_HEADER), "its chunks contradict each other"),
    "place": (lambda _, data, headers: (data, {**headers, CHUNK_HEADER: "9/2"}), "Diag-Chunk is not n/N"),
    "bytes": (lambda _, data, headers: (b"x" * len(data), headers), "SHA-256 differs"),
    "nobody": (lambda _, data, _headers: (data, {CHUNK_HEADER: "1/2"}), "Diag-Chunk-Size is no number of bytes"),
    "no reply": (lambda _, _data, _headers: (b"\xff{", {}), "malformed"),
}


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("how", SPOILT)
async def test_a_reply_that_cannot_be_read_counts_against_its_sender_only(pair: Pair, how: str, alive: bool) -> None:
    await pair.add("c1", first=True, alive=alive, chunks=slice(None), spoil=SPOILT[how][0])
    await pair.add("c2")
    result = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (result.coordinator, result.answer.expected) == ("c2", 1)
    assert result.hedged.endswith("sent a reply that cannot be read; c2 answered")
    assert pair.told == [result.hedged]
    again = await pair.mesh.mesh("health", timeout_s=3.0)
    assert (again.coordinator, again.hedged) == ("c2", ""), "whoever helped is asked first"


@pytest.mark.parametrize("how", SPOILT)
async def test_where_nobody_else_answers_the_error_says_whose_reply_is_broken_and_how(pair: Pair, how: str) -> None:
    await pair.add("c1", first=True, chunks=slice(None), spoil=SPOILT[how][0])
    with pytest.raises(Unreadable, match=SPOILT[how][1]) as caught:
        await pair.mesh.mesh("health", timeout_s=3.0)
    assert "c1" in str(caught.value) or how == "nobody", "asked by name as well, it is known by it"


async def test_of_two_that_cannot_be_read_the_first_is_told_and_neither_is_asked_for_ever(pair: Pair) -> None:
    for name in ("c1", "c2"):
        await pair.add(name, first=name == "c1", chunks=slice(None), spoil=SPOILT["bytes"][0])
    with pytest.raises(Unreadable, match=r"mesh/c1 on diag\.mesh"):
        await pair.mesh.services(timeout_s=3.0)
    assert pair.order == ["c1", "c2"]


async def test_a_broken_reply_of_the_other_leaves_the_first_its_time(pair: Pair) -> None:
    await pair.add("c1", first=True, after_s=1.2, alive=False)
    await pair.add("c2", chunks=slice(None), spoil=SPOILT["bytes"][0])
    result = await pair.mesh.mesh("health", timeout_s=5.0)
    assert (result.coordinator, pair.order) == ("c1", ["c1", "c2"])


async def test_a_broken_reply_and_then_a_whole_one_is_an_answer(pair: Pair) -> None:
    def twice(number: int, data: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        return (data, {CHUNK_HEADER: "1/1"}) if not number else (encode(_reply("c1", FINE)), {})

    await pair.add("c1", first=True, chunks=slice(2), spoil=twice)
    result = await pair.mesh.mesh("health", timeout_s=3.0)
    assert result.coordinator == "c1"
