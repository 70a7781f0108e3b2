"""How a reply goes out: MessagePack where it was asked for, chunks where one message is too small, else a 413."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.contract.chunks import CHUNK_HEADER, FROM_HEADER, MOST_CHUNKS
from diagmesh.contract.coding import ACCEPT_HEADER, CONTENT_TYPE_HEADER, MSGPACK
from diagmesh.contract.wire import Answer, Question
from diagmesh.declare import agent
from diagmesh.errors import NoAnswer
from diagmesh.serve import AgentKinds, Identity, Responder
from diagmesh.testing import FakeTarget

PACKED = {ACCEPT_HEADER: MSGPACK}
ROOM = 7 * 1024
"""Of one message: the server takes 8 KiB, and 1 KiB is kept for headers."""


class Blobs(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """How much to say."""

    size: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 1


class Blob(Answer, frozen=True, kw_only=True, gc=False):
    """That much, and a number that is none."""

    text: str
    share: float


@agent(budget=5, concurrency=1)
async def blob(question: Blobs, target: Any) -> Blob:
    """Say a lot."""
    return Blob(text="x" * question.size, share=float("inf"))


class Slow(MemoryBus):
    """Its server confirms only when the test lets it, or never."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__(server)
        self.confirmed = asyncio.Event()
        self.confirmed.set()
        self.dead = False

    async def barrier(self, timeout_s: float = 2.0) -> None:
        if self.dead:
            raise NoAnswer("the server did not confirm in time")
        await self.confirmed.wait()


class Place:
    """A responder on a bus whose server takes 8 KiB, and an asker."""

    def __init__(self) -> None:
        server = MemoryServer(max_payload=8 * 1024)
        self.asker, self.bus = server.bus(), Slow(server)
        us = Identity(service="orders", instance="i1", boot="b", host="h")
        self.responder = Responder(self.bus, us, AgentKinds([blob], FakeTarget()))

    async def ask(self, body: Mapping[str, Any] | bytes = b"", **headers: str) -> Message:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.asker.request("diag.orders.blob", data, timeout_s=5, headers=named or None)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    await made.asker.subscribe("diag.orders.*", made.responder.take)
    yield made
    await made.responder.drain(1)


def problem(message: Message, read: Callable[[bytes], Any] = msgspec.json.decode) -> tuple[int, str, str]:
    """Code, detail and hint; header and body say the same."""
    said = read(message.data)["problem"]
    assert message.headers is not None
    assert message.headers["Nats-Service-Error-Code"] == str(said["code"])
    return said["code"], said["detail"], said["hint"]


async def test_json_has_no_header_at_all(place: Place) -> None:
    assert (await place.ask({"size": 3})).headers is None


async def test_msgpack_is_the_same_tree(place: Place) -> None:
    plain = msgspec.json.decode((await place.ask({"size": 3})).data)
    message = await place.ask({"size": 3}, **PACKED)
    assert message.headers == {CONTENT_TYPE_HEADER: MSGPACK}
    other = msgspec.msgpack.decode(message.data)
    assert other["answer"] == plain["answer"] == {"text": "xxx", "share": None}
    assert list(other) == list(plain)
    assert isinstance(other["observed_at"], str)


async def test_a_refusal_is_packed_too(place: Place) -> None:
    message = await place.ask({"sise": 3}, **PACKED)
    assert problem(message, msgspec.msgpack.decode)[:2] == (400, "Object contains unknown field `sise`")
    assert message.headers is not None
    assert message.headers[CONTENT_TYPE_HEADER] == MSGPACK


async def test_a_question_may_come_packed(place: Place) -> None:
    message = await place.ask(msgspec.msgpack.encode({"size": 2}), **{CONTENT_TYPE_HEADER: MSGPACK})
    assert msgspec.json.decode(message.data)["answer"]["text"] == "xx"


@pytest.mark.parametrize("headers", [{ACCEPT_HEADER: "text/html"}, {CONTENT_TYPE_HEADER: "text/xml"}])
async def test_other_types_are_declined_in_json(place: Place, headers: dict[str, str]) -> None:
    code, _, hint = problem(await place.ask(b"", **headers))
    assert (code, MSGPACK in hint) == (400, True)


async def test_what_fits_comes_in_one_message(place: Place) -> None:
    message = await place.ask({"size": ROOM - 400, "chunks": True})
    assert message.headers is None
    assert len(message.data) <= ROOM


@pytest.mark.parametrize("headers", [{}, PACKED])
async def test_what_does_not_fit_comes_in_chunks(place: Place, headers: dict[str, str]) -> None:
    message = await place.ask({"size": 20_000, "chunks": True}, **headers)
    read = msgspec.msgpack.decode if headers else msgspec.json.decode
    assert read(message.data)["answer"]["text"] == "x" * 20_000
    assert message.headers is not None
    assert (message.headers[CHUNK_HEADER], message.headers[FROM_HEADER]) == ("3/3", "orders/i1")
    assert message.headers.get(CONTENT_TYPE_HEADER) == (MSGPACK if headers else None)


async def test_who_takes_no_chunks_is_told_of_them(place: Place) -> None:
    code, detail, hint = problem(await place.ask({"size": 20_000}))
    assert (code, "20" in detail, f"{ROOM} in one message" in detail) == (413, True, True)
    assert '"chunks": true' in hint
    assert '"detail": "brief"' in hint


async def test_what_is_too_large_for_chunks_is_not_promised_in_chunks(place: Place) -> None:
    for chunks in (True, False):
        code, detail, hint = problem(await place.ask({"size": MOST_CHUNKS * ROOM, "chunks": chunks}))
        assert (code, "chunks" in hint, "in chunks" in detail) == (413, False, chunks)


async def test_a_reply_on_its_way_keeps_its_place(place: Place) -> None:
    """What waits for a slow connection is limited as looks are."""
    place.bus.confirmed.clear()
    large = asyncio.create_task(place.ask({"size": 20_000, "chunks": True}))
    await asyncio.sleep(0.05)
    code, detail, _ = problem(await place.ask())
    assert (code, "1 questions for blob" in detail) == (429, True)
    place.bus.confirmed.set()
    assert b"xxx" in (await large).data
    assert msgspec.json.decode((await place.ask({"size": 1})).data)["status"] == "answered"


async def test_a_server_that_does_not_confirm_gets_no_more(place: Place) -> None:
    place.bus.dead = True
    with pytest.raises(NoAnswer, match=r"orders/i1, on diag.orders.blob: 1 of 3 chunks of its reply came within 0.3 s"):
        await place.asker.request("diag.orders.blob", b'{"size":20000,"chunks":true}', timeout_s=0.3)
    assert place.responder.unsent == 1
    assert place.responder.in_work == 0


async def test_leaving_waits_for_what_is_on_its_way_but_not_for_ever(place: Place) -> None:
    place.bus.confirmed.clear()
    large = asyncio.create_task(place.ask({"size": 20_000, "chunks": True}))
    await asyncio.sleep(0.05)
    leaving = asyncio.create_task(place.responder.drain(4))
    await asyncio.sleep(0.05)
    assert not leaving.done()
    place.bus.confirmed.set()
    await leaving
    assert b"xxx" in (await large).data


async def test_leaving_gives_up_on_a_connection_that_takes_nothing(place: Place) -> None:
    place.bus.confirmed.clear()
    large = asyncio.create_task(place.ask({"size": 20_000, "chunks": True}))
    await asyncio.sleep(0.05)
    await place.responder.drain(0.05)
    assert place.responder.in_work == 0
    large.cancel()
    await asyncio.wait({large})
