"""The traps of nats-py and of a real server, sprung on our bus one by one; TRAPS.md beside this lists them all."""

import asyncio
import contextlib
import http.client
import logging
import socket
import time
from collections.abc import Callable
from itertools import permutations
from typing import Any

import msgspec
import pytest

from diagmesh.bus.core import BusState, Message, StateChange, header_bytes
from diagmesh.bus.nats import NatsBus, link
from diagmesh.client import Mesh
from diagmesh.errors import (
    BusError,
    ConnectionLost,
    MessageTooLarge,
    NoAnswer,
    NoResponders,
    NotConnected,
    NotPermitted,
)
from diagmesh.settings import NatsSettings
from support.buses import Start, answering, is_connected, until
from support.natsserver import MakeServer, NatsServer
from support.ports import free_port
from support.programs import wait_until


def pair(make_server: MakeServer, more: str = "") -> tuple[NatsServer, NatsServer]:
    """Two running servers of one cluster that know each other."""
    routes = [free_port(), free_port()]
    config = """{more}
        cluster {{ name: c, listen: "127.0.0.1:{own}", routes: ["nats-route://127.0.0.1:{other}"] }}"""
    made = [
        make_server(
            name=f"n{number}", monitoring=True, config=config.format(more=more, own=own, other=routes[1 - number])
        ).start()
        for number, own in enumerate(routes)
    ]
    for one, other in permutations(made, 2):
        wait_until(lambda one=one, other=other: knows(one, other), 20, "they know each other")  # type: ignore[misc]  # bound
    return made[0], made[1]


def knows(one: NatsServer, other: NatsServer) -> bool:
    """Whether a client of the one is told of the other when it is greeted; a route comes about only after a start."""
    with socket.create_connection((one.host, one.port), timeout=10) as plug, plug.makefile("rb") as lines:
        info = msgspec.json.decode(lines.readline().removeprefix(b"INFO "), type=dict[str, Any])
    return any(url.endswith(f":{other.port}") for url in info.get("connect_urls", ()))


def told(server: NatsServer, path: str) -> dict[str, Any]:
    """What the monitoring endpoint of a server says."""
    asking = http.client.HTTPConnection(server.host, server.monitor_port, timeout=10)
    try:
        asking.request("GET", path)
        return msgspec.json.decode(asking.getresponse().read(), type=dict[str, Any])
    finally:
        asking.close()


# --- what handlers and listeners do to us


async def test_a_cancellation_that_a_handler_lets_out_ends_no_subscription(
    nats_server: NatsServer, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    bus, heard = started(NatsSettings(url=nats_server.url)), list[bytes]()
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gone.cancel()

    def leaking(message: Message) -> None:
        heard.append(message.data)
        if message.data == b"bad":
            gone.result()

    await until(is_connected(bus))
    await bus.subscribe("leak", leaking)
    for data in (b"bad", b"good"):
        await bus.publish("leak", data)
    await until(lambda: heard == [b"bad", b"good"])
    assert "a handler of leak failed" in caplog.text


async def test_listeners_and_askers_that_raise_cost_no_connection(nats_server: NatsServer, started: Start) -> None:
    bus, lost = started(NatsSettings(url=nats_server.url)), list[Exception]()

    def raising(_: object) -> None:
        raise RuntimeError("on purpose")

    bus.watch(raising)
    await answering(bus, "ping")
    await until(is_connected(bus))
    first, second = bus.open_inbox(raising, raising), bus.open_inbox(raising, lost.append)
    await bus.publish("ping", reply=first.reply_to(0, "ping"))
    await asyncio.to_thread(nats_server.restart)
    await until(lambda: bool(lost))
    assert isinstance(lost[0], ConnectionLost), "the news reached the second asker although the first raised"
    await until(is_connected(bus))
    assert (await bus.request("ping", timeout_s=5)).data == b"pong"
    first.close()
    second.close()


# --- limits of the server


async def test_too_many_subscriptions_are_told_and_no_state_of_connected(
    make_server: MakeServer, started: Start
) -> None:
    server = make_server(config="max_subscriptions: 3").start()
    bus, states = started(NatsSettings(url=server.url)), list[StateChange]()
    await until(is_connected(bus))
    bus.watch(states.append)
    for number in range(5):
        await bus.subscribe(f"s.{number}", lambda _: None)
    await until(lambda: "has reached its subscription limit" in bus.state.reason)
    await asyncio.sleep(1.5)
    assert BusState.CONNECTED not in {change.state for change in states}, "a connection that cannot last is none"
    assert len(states) < 12, "and it is not hammered"
    with pytest.raises(NotConnected, match="subscription limit"):
        await bus.publish("x")
    server.stop()
    server.configure("max_subscriptions: 100")
    server.start()
    await until(is_connected(bus))


async def test_the_largest_message_that_fits_goes_and_the_next_is_refused_here(
    make_server: MakeServer, started: Start
) -> None:
    server = make_server(config="max_payload: 2048").start()
    bus, heard = started(NatsSettings(url=server.url)), list[Message]()
    await until(is_connected(bus))
    await bus.subscribe("big", heard.append)
    connection = bus._link
    for headers in (None, {"Diag-Test": "x"}, {"Diag-Test": "grün ☃", "Other": "y" * 50}):
        room = 2048 - header_bytes(headers)
        await bus.publish("big", b"b" * room, headers=headers)
        with pytest.raises(MessageTooLarge):
            await bus.publish("big", b"b" * (room + 1), headers=headers)
    await until(lambda: len(heard) == 3)
    assert bus._link is connection, "the server never had a reason to end the connection"


async def test_a_full_server_is_named_and_the_next_free_place_taken(make_server: MakeServer, started: Start) -> None:
    server = make_server(monitoring=True, config="max_connections: 1").start()
    await until(lambda: not told(server, "/connz")["connections"])  # whoever looked whether it greets has to be gone
    holder = await NatsBus.connect(NatsSettings(url=server.url), "holder")
    bus = started(NatsSettings(url=server.url))
    await until(lambda: "max_connections" in bus.state.reason)
    assert bus.state.state is BusState.CONNECTING
    await holder.close()
    await until(is_connected(bus))


# --- a server that goes, freezes, comes back


async def test_what_failed_while_away_is_never_sent_later(make_server: MakeServer, started: Start) -> None:
    server = make_server(monitoring=True).start()
    bus = started(NatsSettings(url=server.url))
    await until(is_connected(bus))
    server.kill()
    for _ in range(50):  # also in the moment in which the loss is not noticed yet
        with pytest.raises((NotConnected, ConnectionLost, NoAnswer)):
            await bus.request("order.pay", b"once", timeout_s=0.02)
    server.start()
    await until(is_connected(bus))
    await bus.barrier()
    await until(lambda: len(told(server, "/connz")["connections"]) == 1)  # whoever looked whether it greets is gone
    (ours,) = told(server, "/connz")["connections"]
    assert (ours["in_msgs"], told(server, "/varz")["in_msgs"]) == (0, 0)


async def test_a_frozen_server_is_noticed_told_and_another_used(
    make_server: MakeServer, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_PING_INTERVAL_S", 0.6)
    servers = {server._name: server for server in pair(make_server)}
    urls = ",".join(server.url for server in servers.values())
    bus, states = started(NatsSettings(url=urls, connect_timeout_s=0.5)), list[StateChange]()
    bus.watch(states.append)
    await answering(bus, "ping")
    await until(is_connected(bus))
    for _ in range(2):  # there and back again
        frozen = servers[bus.server]
        other = next(name for name in servers if name != frozen._name)
        frozen.freeze()
        try:
            await until(lambda other=other: bus.server == other)  # type: ignore[misc]
            assert any("did not answer our pings" in change.reason for change in states)
            assert (await bus.request("ping", timeout_s=5)).data == b"pong"
        finally:
            frozen.thaw()
        states.clear()


async def test_a_frozen_server_alone_is_waited_for(
    nats_server: NatsServer, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_PING_INTERVAL_S", 0.4)
    bus = started(NatsSettings(url=nats_server.url, connect_timeout_s=0.3))
    await answering(bus, "ping")
    await until(is_connected(bus))
    nats_server.freeze()
    try:
        await until(lambda: bus.state.state is BusState.RECONNECTING)
        await until(lambda: "no answer in time (frozen server" in bus.state.reason)
    finally:
        nats_server.thaw()
    await until(is_connected(bus))
    assert (await bus.request("ping", timeout_s=5)).data == b"pong"


async def test_a_lame_duck_is_left_before_it_goes_and_no_question_is_lost(make_server: MakeServer) -> None:
    """Two members share the questions; the server of one of them says that it will go in ten seconds."""
    leaving, staying = pair(make_server, 'lame_duck_grace_period: "10s"\nlame_duck_duration: "30s"')
    members = [await NatsBus.connect(NatsSettings(url=server.url), "member") for server in (leaving, staying)]
    asker = await NatsBus.connect(NatsSettings(url=staying.url), "asker")
    states: list[StateChange] = []
    members[0].watch(states.append)
    for number, member in enumerate(members):
        await answering(member, "shared", str(number).encode(), queue="q")
        await member.barrier()
    answers: list[bytes] = []

    async def ask_until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                answers.append((await asker.request("shared", timeout_s=10)).data)
                await asyncio.sleep(0.005)

    try:
        await ask_until(lambda: set(answers[-50:]) == {b"0", b"1"})
        began = time.monotonic()
        leaving.lame_duck()
        await ask_until(lambda: members[0].server == "n1")
        assert time.monotonic() - began < 9, "it went by itself, long before the server would have ended it"
        assert any("about to stop (lame duck mode)" in change.reason for change in states)
        answers.clear()
        await ask_until(lambda: b"0" in answers)
    finally:
        for bus in (*members, asker):
            await bus.close()


async def test_what_is_in_work_when_a_lame_duck_is_left_is_answered(make_server: MakeServer) -> None:
    leaving, staying = pair(make_server, 'lame_duck_grace_period: "10s"\nlame_duck_duration: "30s"')
    member = await NatsBus.connect(NatsSettings(url=leaving.url), "member")
    asker = await NatsBus.connect(NatsSettings(url=staying.url), "asker")
    tasks: set[asyncio.Task[None]] = set()

    async def answer(message: Message) -> None:
        await asyncio.sleep(0.05)
        await member.publish(message.reply, b"done")

    def take(message: Message) -> None:
        task = asyncio.create_task(answer(message))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def ask() -> None:
        while member.server != "n1":
            with contextlib.suppress(NoResponders):  # it listens nowhere for a moment; what it has taken is answered
                await asker.request("work", timeout_s=10)

    await member.subscribe("work", take)
    await member.barrier()
    try:
        asking = asyncio.gather(*(ask() for _ in range(4)))
        leaving.lame_duck()
        async with asyncio.timeout(30):
            await asking
    finally:
        for bus in (member, asker):
            await bus.close()


async def test_a_lame_duck_is_not_left_by_all_in_one_instant(make_server: MakeServer) -> None:
    leaving, staying = pair(make_server, 'lame_duck_grace_period: "10s"\nlame_duck_duration: "30s"')
    buses = [await NatsBus.connect(NatsSettings(url=leaving.url), f"test-{n}") for n in range(12)]
    left: list[float] = []
    for bus in buses:
        bus.watch(lambda change: left.append(time.monotonic()) if change.state is not BusState.CONNECTED else None)
    leaving.lame_duck()
    await until(lambda: all(bus.server == "n1" for bus in buses))
    assert max(left) - min(left) > 0.3, "and no herd comes to the others"
    assert staying.running
    for bus in buses:
        await bus.close()


# --- what is not permitted

_USERS = """authorization {{ users: [ {{ user: u, password: p, permissions: {{
    publish: {{ allow: {publish} }}, subscribe: {{ allow: ["_INBOX.>", "diag.orders.>"] }} }} }} ] }}"""


def as_user(server: NatsServer) -> NatsSettings:
    return NatsSettings(url=server.url.replace("//", "//u:p@"))


async def test_an_answer_that_is_refused_is_logged_now_and_then_and_no_fault_of_ours(
    make_server: MakeServer, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Without allow_responses: requests arrive, answers vanish."""
    server = make_server(
        config="""authorization { users: [
            { user: u, password: p, permissions: { publish: { allow: ["hb"] }, subscribe: { allow: ["diag.>"] } } }
            { user: asker, password: p } ] }"""
    ).start()
    bus = started(as_user(server))
    await answering(bus, "diag.orders.*")
    await until(is_connected(bus))
    asker = started(NatsSettings(url=server.url.replace("//", "//asker:p@")))
    await until(is_connected(asker))
    with caplog.at_level(logging.ERROR):
        for _ in range(20):
            with pytest.raises(NoAnswer):
                await asker.request("diag.orders.health", timeout_s=0.05)
    await until(lambda: "lacks allow_responses" in caplog.text)
    assert caplog.text.count("lacks allow_responses") <= 5, "1, 2, 4, 8, 16"
    assert bus.state == StateChange(BusState.CONNECTED), (
        "whoever asks chooses where the answer goes, so it says nothing"
    )


async def test_a_refusal_that_lasts_is_logged_once_and_stands_in_the_state(
    make_server: MakeServer, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_server(config=_USERS.format(publish='["diag.>"]')).start()
    bus = started(as_user(server))
    await until(is_connected(bus))
    with caplog.at_level(logging.ERROR):
        for _ in range(10):
            await bus.publish("diagev.hb.orders.i1", b"{}")
            await bus.barrier()
    await until(lambda: "may not publish diagev.hb.orders.i1 (the user in the URL)" in bus.state.reason)
    assert caplog.text.count("may not publish") == 1
    server.stop()
    server.configure(_USERS.format(publish='["diag.>", "diagev.>"]'))
    server.start()
    await until(lambda: bus.state == StateChange(BusState.CONNECTED))


async def test_one_forbidden_service_costs_a_gather_nothing_else(make_server: MakeServer, started: Start) -> None:
    """The names of subjects in a refusal come in lower case, with the role behind them."""
    server = make_server(
        config="""authorization { users: [
            { user: u, password: p, permissions: { publish: { deny: ["diag.payments.>"] }, subscribe: ["_INBOX.>"] } }
            { user: member, password: p } ] }"""
    ).start()
    member = started(NatsSettings(url=server.url.replace("//", "//member:p@")))
    said = b'{"v":1,"service":"orders","instance":"i1","kind":"health","status":"answered","answer":{"state":"up"}}'
    await answering(member, "diag.orders.health.all", said)
    await until(is_connected(member))
    await member.barrier()
    async with Mesh.connect(url=as_user(server).url) as mesh:
        began = time.monotonic()
        result = await mesh.all("health", services=["orders", "payments"], timeout_s=20)
        assert [one.where for one in result.each] == ["orders/i1"]
        assert any(
            "not permitted: this role may not publish diag.payments.health.all" in n for n in result.answer.notes
        )
        assert time.monotonic() - began < 15
        with pytest.raises(NotPermitted, match=r"diag\.payments\.health\.all"):
            await mesh.all("health", services=["payments"], timeout_s=20)


# --- order, headers, clock


async def test_a_barrier_means_that_everybody_can_ask(nats_server: NatsServer, started: Start) -> None:
    """nats-py's own flush overtakes the subscriptions that were asked for just before it."""
    bus, asker = started(NatsSettings(url=nats_server.url)), started(NatsSettings(url=nats_server.url))
    await until(lambda: is_connected(bus)() and is_connected(asker)())
    for number in range(100):
        await answering(bus, f"fresh.{number}")
        await bus.barrier()
        assert (await asker.request(f"fresh.{number}", timeout_s=5)).data == b"pong"


async def test_no_header_value_makes_a_second_header_or_a_status(nats_server: NatsServer, started: Start) -> None:
    bus = started(NatsSettings(url=nats_server.url))
    await until(is_connected(bus))

    def answer(message: Message) -> None:
        headers = {"Nats-Service-Error": "no\r\nStatus: 503\r\nEvil: yes", "Nats-Service-Error-Code": "400"}
        tasks.append(asyncio.create_task(bus.publish(message.reply, b"{}", headers=headers)))

    tasks: list[asyncio.Task[None]] = []
    await bus.subscribe("odd", answer)
    reply = await bus.request("odd", timeout_s=5)
    assert reply.headers is not None
    assert set(reply.headers) == {"Nats-Service-Error", "Nats-Service-Error-Code"}
    assert not reply.no_responders


async def test_a_wall_clock_that_jumps_neither_ends_nor_stretches_a_wait(
    nats_server: NatsServer, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = started(NatsSettings(url=nats_server.url))
    await bus.subscribe("mute", lambda _: None)
    await until(is_connected(bus))
    true, began = time.time, time.monotonic()
    for jump in (86_400.0, -86_400.0):
        waiting = asyncio.create_task(bus.request("mute", timeout_s=0.5))
        await asyncio.sleep(0.1)
        monkeypatch.setattr(time, "time", lambda jump=jump: true() + jump)
        with pytest.raises(NoAnswer):
            await waiting
    assert 1.0 <= time.monotonic() - began < 10


async def test_a_question_to_nobody_fails_at_once_also_when_the_connection_breaks(
    nats_server: NatsServer, started: Start
) -> None:
    """nats-py lets what is in flight run into its timeout; whoever asks through us hears of it."""
    bus = started(NatsSettings(url=nats_server.url))
    await bus.subscribe("mute", lambda _: None)
    await until(is_connected(bus))
    waiting = [asyncio.create_task(bus.request("mute", timeout_s=60)) for _ in range(50)]
    await asyncio.sleep(0.1)
    nats_server.kill()
    async with asyncio.timeout(15):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {ConnectionLost}
    assert all(isinstance(outcome, BusError) and "connection broke" in str(outcome) for outcome in outcomes)


async def test_a_close_that_fails_on_a_dead_socket_leaves_no_task(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was to be written last cannot be, and closing ends there: before it has come to the subscriptions."""
    before = asyncio.all_tasks()
    one = link.Link(NatsSettings(), "t", nats_server.url, lambda *_: None)
    await one.open()
    for number in range(3):
        await one.subscribe(f"x.{number}", "", lambda _: None)
    client = one._client
    assert await one.flush(5.0)

    async def dead() -> None:
        raise ConnectionResetError

    async def silent(*_: Any, **__: Any) -> None:
        """There is nobody to write to."""

    monkeypatch.setattr(client._transport, "drain", dead)
    monkeypatch.setattr(client, "_flush_pending", silent)
    client._pending, client._pending_data_size = [b"PING\r\n"], 6
    await one.discard()
    await asyncio.sleep(0)
    assert not {task for task in asyncio.all_tasks() - before if not task.done()}


async def test_a_discard_that_is_cancelled_gives_the_socket_back(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bus may be closed at the very moment when one of its connections has failed and is put away."""
    one = link.Link(NatsSettings(), "t", nats_server.url, lambda *_: None)
    await one.open()
    writer = one._writer()
    assert writer is not None

    async def slow() -> None:
        await asyncio.sleep(5)

    monkeypatch.setattr(one._client, "close", slow)
    discarding = asyncio.create_task(one.discard())
    await asyncio.sleep(0)
    discarding.cancel()
    await asyncio.wait({discarding})
    assert writer.transport.is_closing()
