"""The bus contract: the same behaviour on a real nats-server and in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from diagmesh.bus.core import Bus, BusState, Message
from diagmesh.bus.memory import MemoryServer
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.chunks import CHUNK_HEADER, cut
from diagmesh.errors import MessageTooLarge, NoAnswer, NoResponders, NotConnected, Unreadable
from diagmesh.settings import NatsSettings
from support.natsserver import MakeServer

MakeBus = Callable[[], Awaitable[Bus]]


@pytest.fixture(params=["memory", "nats"])
async def make_bus(request: pytest.FixtureRequest, make_server: MakeServer) -> AsyncIterator[MakeBus]:
    """Makes connected buses of one server; closed after the test."""
    buses: list[Bus] = []
    memory = MemoryServer(max_payload=4096)
    url = make_server(config="max_payload: 4096").start().url if request.param == "nats" else ""

    async def make() -> Bus:
        bus: Bus = await NatsBus.connect(NatsSettings(url=url), "test") if url else memory.bus()
        buses.append(bus)
        return bus

    yield make
    for bus in buses:
        await bus.close()


async def echo(bus: Bus, subject: str, word: bytes = b"", queue: str = "") -> list[Message]:
    """Answer every message on a subject; returns the list of those heard."""
    heard: list[Message] = []

    def answer(message: Message) -> None:
        heard.append(message)
        tasks.append(asyncio.get_running_loop().create_task(bus.publish(message.reply, word or message.data)))

    tasks: list[asyncio.Task[None]] = []
    await bus.subscribe(subject, answer, queue=queue)
    await bus.barrier()
    return heard


async def test_request_gets_the_reply(make_bus: MakeBus) -> None:
    server, asker = await make_bus(), await make_bus()
    heard = await echo(server, "diag.orders.*")
    reply = await asker.request("diag.orders.health", b'{"a":1}', timeout_s=2, headers={"Diag-Test": "x"})
    assert reply.data == b'{"a":1}'
    assert heard[0].subject == "diag.orders.health"
    assert heard[0].headers is not None
    assert heard[0].headers["Diag-Test"] == "x"


async def test_nobody_there_is_told_at_once(make_bus: MakeBus) -> None:
    bus = await make_bus()
    started = asyncio.get_running_loop().time()
    with pytest.raises(NoResponders, match=r"nobody listens on diag\.nobody\.health"):
        await bus.request("diag.nobody.health", timeout_s=30)
    assert asyncio.get_running_loop().time() - started < 10


async def test_a_reply_in_chunks_is_put_together(make_bus: MakeBus) -> None:
    server, asker = await make_bus(), await make_bus()
    whole = b"0123456789" * 1000

    async def send(message: Message) -> None:
        for data, headers in cut(whole, 3000, "id", "orders/i1"):
            await server.publish(message.reply, data, headers=headers)
            await server.barrier()

    tasks: list[asyncio.Task[None]] = []
    await server.subscribe("diag.large.*", lambda one: tasks.append(asyncio.get_running_loop().create_task(send(one))))
    await server.barrier()
    reply = await asker.request("diag.large.health", timeout_s=5)
    assert reply.data == whole


async def test_chunks_that_are_lost_or_lie_are_told(make_bus: MakeBus) -> None:
    server, asker = await make_bus(), await make_bus()
    sent = list(cut(b"0123456789", 4, "id", "orders/i1"))
    tasks: list[asyncio.Task[None]] = []

    def lose(message: Message) -> None:
        data, headers = sent[1]
        lie = {} if message.subject.endswith("lost") else {CHUNK_HEADER: "9/3"}
        publishing = server.publish(message.reply, data, headers=headers | lie)
        tasks.append(asyncio.get_running_loop().create_task(publishing))

    await server.subscribe("diag.large.*", lose)
    await server.barrier()
    with pytest.raises(NoAnswer, match=r"orders/i1, on diag.large.lost: 1 of 3 chunks of its reply came within 2 s"):
        await asker.request("diag.large.lost", timeout_s=2)
    with pytest.raises(Unreadable, match=r"the reply of orders/i1 on diag.large.lie: .*n <= N"):
        await asker.request("diag.large.lie", timeout_s=5)


async def test_somebody_who_does_not_answer_is_no_answer(make_bus: MakeBus) -> None:
    listener, asker = await make_bus(), await make_bus()
    await listener.subscribe("diag.mute.*", lambda _: None)
    await listener.barrier()
    with pytest.raises(NoAnswer, match="within"):
        await asker.request("diag.mute.health", timeout_s=0.2)


async def test_queue_members_share_and_the_others_all_hear(make_bus: MakeBus) -> None:
    asker, *members = [await make_bus() for _ in range(4)]
    shared = [await echo(member, "diag.q.*", queue="diag") for member in members]
    broad = [await echo(member, "diag.q.*.all") for member in members]
    for _ in range(30):
        await asker.request("diag.q.health", timeout_s=2)
    await asker.request("diag.q.health.all", timeout_s=2)
    for member in members:
        await member.barrier()
    await asyncio.sleep(0.1)
    assert sum(map(len, shared)) == 30
    assert all(shared), "each member of the group gets a share"
    assert [len(heard) for heard in broad] == [1, 1, 1]


async def test_inbox_attributes_by_token(make_bus: MakeBus) -> None:
    server, asker = await make_bus(), await make_bus()
    await echo(server, "diag.a.*", b"from a")
    await echo(server, "diag.b.*", b"from b")
    got: dict[str, bytes] = {}
    both = asyncio.Event()

    def arrived(message: Message) -> None:
        got[message.subject.rsplit(".", 1)[1]] = message.data
        if len(got) == 2:
            both.set()

    inbox = asker.open_inbox(arrived, lambda _: None)
    for token, subject in enumerate(("diag.a.health", "diag.b.health")):
        await asker.publish(subject, reply=inbox.reply_to(token, subject))
    await asyncio.wait_for(both.wait(), 2)
    assert got == {"0": b"from a", "1": b"from b"}
    inbox.close()
    await asker.publish("diag.a.health", reply=inbox.reply_to(0, "diag.a.health"))
    await asyncio.sleep(0.1)
    assert len(got) == 2


async def test_a_reply_subject_cannot_be_guessed(make_bus: MakeBus) -> None:
    bus = await make_bus()
    got: list[bytes] = []
    replies = []
    for number in range(3):
        inbox = bus.open_inbox(lambda message: got.append(message.data), lambda _: None)
        replies.append(inbox.reply_to(number, "diag.a.health"))
    names = {reply.rsplit(".", 2)[1] for reply in replies}
    assert len(names) == 3
    assert all(len(name) >= 16 for name in names)
    await bus.publish("diag.nobody.health", reply=replies[0])  # so that the inbox is listened to
    await bus.barrier()
    await asyncio.sleep(0.1)
    got.clear()
    base = replies[0].rsplit(".", 1)[0]
    for token in ("1", "99", "x", "0"):
        await bus.publish(f"{base}.{token}", token.encode())
    await bus.barrier()
    await asyncio.sleep(0.1)
    assert got == [b"0"], "only tokens that were given out"


async def test_too_large_is_refused_before_it_is_sent(make_bus: MakeBus) -> None:
    bus = await make_bus()
    assert bus.max_payload == 4096
    await bus.publish("x", b"y" * 4096)
    with pytest.raises(MessageTooLarge, match="4096"):
        await bus.publish("x", b"y" * 4097)
    with pytest.raises(MessageTooLarge):
        await bus.publish("x", b"y" * 4090, headers={"Diag-Test": "x"})
    await bus.barrier()
    assert bus.state.state is BusState.CONNECTED


async def test_a_handler_that_raises_ends_nothing(make_bus: MakeBus) -> None:
    bus = await make_bus()
    calls: list[bytes] = []

    def raising(message: Message) -> None:
        calls.append(message.data)
        if message.data == b"bad":
            raise RuntimeError("on purpose")

    quiet = asyncio.get_running_loop()
    quiet.set_exception_handler(lambda _loop, _context: None)
    await bus.subscribe("noise", raising)
    await bus.barrier()
    for data in (b"bad", b"good"):
        await bus.publish("noise", data)
    await bus.barrier()
    await asyncio.sleep(0.1)
    assert calls == [b"bad", b"good"]


async def test_unsubscribe_ends_it_and_may_be_said_twice(make_bus: MakeBus) -> None:
    bus = await make_bus()
    heard: list[bytes] = []
    subscription = await bus.subscribe("s", lambda message: heard.append(message.data))
    await bus.barrier()
    await bus.publish("s", b"1")
    await bus.barrier()
    await subscription.unsubscribe()
    await subscription.unsubscribe()
    await bus.publish("s", b"2")
    await bus.barrier()
    await asyncio.sleep(0.05)
    assert heard == [b"1"]


async def test_closed_sends_nothing_and_may_be_said_twice(make_bus: MakeBus) -> None:
    bus = await make_bus()
    changes: list[BusState] = []
    bus.watch(lambda change: changes.append(change.state))
    await bus.close()
    await bus.close()
    assert bus.state.state is BusState.CLOSED
    assert changes == [BusState.CLOSED]
    with pytest.raises(NotConnected):
        await bus.publish("x", b"y")
    with pytest.raises(NotConnected):
        await bus.request("x", timeout_s=1)
