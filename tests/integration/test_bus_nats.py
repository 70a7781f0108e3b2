"""The traps of nats-py and the faults of a real server, each met on purpose."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from diagmesh.bus.core import BusState, Message, StateChange
from diagmesh.bus.nats import NatsBus
from diagmesh.errors import (
    CannotConnect,
    ConnectionLost,
    NoAnswer,
    NoResponders,
    NotConnected,
    NotPermitted,
    SettingsError,
)
from diagmesh.keys import generate, write_seed
from diagmesh.settings import NatsSettings
from support.buses import answering, is_connected, until
from support.natsserver import MakeServer, NatsServer
from support.ports import free_port


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def pretending(handler: Handler) -> AsyncIterator[str]:
    """A server that is none; gives its address. Every connection is closed at the end, whatever the handler did."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handler(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await server.wait_closed()


async def test_server_absent_at_start_then_there(
    make_server: MakeServer, started: Callable[[NatsSettings], NatsBus]
) -> None:
    server = make_server()
    bus = started(NatsSettings(url=server.url))
    await answering(bus, "ping")
    await until(lambda: "connection refused" in bus.state.reason)
    assert bus.state.state is BusState.CONNECTING
    server.start()
    await until(is_connected(bus))
    assert (await bus.request("ping", timeout_s=2)).data == b"pong"


async def test_connect_says_why_not_at_once() -> None:
    with pytest.raises(CannotConnect, match=r"cannot connect to nats://127\.0\.0\.1:\d+: connection refused"):
        await NatsBus.connect(NatsSettings(url=f"nats://user:secret@127.0.0.1:{free_port()}"), "test", timeout_s=20)


async def test_a_port_that_says_nothing_is_told_as_what_it_may_be_however_little_time_there_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = NatsSettings(url=f"nats://127.0.0.1:{mute.getsockname()[1]}")
        with pytest.raises(CannotConnect, match=r"no answer in time \(frozen server, a firewall that drops,"):
            await NatsBus.connect(settings, "test", timeout_s=0.2)


async def test_no_secret_of_a_url_is_told() -> None:
    with pytest.raises(CannotConnect) as caught:
        await NatsBus.connect(NatsSettings(url=f"nats://user:secret@127.0.0.1:{free_port()}"), "test")
    assert "secret" not in str(caught.value)
    assert "user" not in str(caught.value)


async def test_bad_credentials_are_reported_not_hung(make_server: MakeServer, tmp_path: Path) -> None:
    stranger, known = tmp_path / "stranger.nk", tmp_path / "known.nk"
    write_seed(stranger, generate())
    write_seed(known, key := generate())
    server = make_server(config=f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}").start()
    with pytest.raises(CannotConnect, match="Authorization Violation"):
        await NatsBus.connect(NatsSettings(url=server.url, nkey_file=str(stranger)), "test", timeout_s=20)
    bus = await NatsBus.connect(NatsSettings(url=server.url, nkey_file=str(known)), "test")
    await bus.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (NatsSettings(url=""), "no server URL"),
        (NatsSettings(url="nats://host:notaport"), "malformed"),
        (NatsSettings(url="nats:/host:4222"), "malformed"),
        (NatsSettings(url="nats://host:4222,http://host:8222"), r"nats\.url: http:// is not spoken here"),
        (NatsSettings(url="ws://host:4222"), r"nats\.url: ws:// is not spoken here"),
        (NatsSettings(nkey_file="/nowhere/seed"), r"nats\.nkey_file: .*/nowhere/seed: No such file"),
        (NatsSettings(creds_file="/nowhere/creds"), r"nats\.creds_file: .*/nowhere/creds: No such file"),
        (NatsSettings(tls_ca_file="/nowhere/ca"), r"nats\.tls_ca_file: there is no file /nowhere/ca"),
        (NatsSettings(nkey_file=__file__), r"nats\.nkey_file: .* holds no seed"),
    ],
)
async def test_settings_that_can_never_work_fail_at_once(settings: NatsSettings, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        await NatsBus.connect(settings, "test")


async def test_a_seed_file_that_is_damaged_later_does_not_end_the_trying(
    make_server: MakeServer, tmp_path: Path, started: Callable[[NatsSettings], NatsBus]
) -> None:
    seed = tmp_path / "seed.nk"
    write_seed(seed, key := generate())
    server = make_server(config=f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}").start()
    bus = started(NatsSettings(url=server.url, nkey_file=str(seed)))
    await until(is_connected(bus))
    seed.write_text("SUGARBAGE")
    await asyncio.to_thread(server.restart)
    await until(lambda: bus.state.state is BusState.RECONNECTING and "seed" in bus.state.reason.lower())
    write_seed(seed, key)
    await until(is_connected(bus))


async def test_subscriptions_that_are_refused_are_seen_in_the_state(
    make_server: MakeServer, started: Callable[[NatsSettings], NatsBus]
) -> None:
    server = make_server(
        config="""authorization { users: [ { user: u, password: p, permissions: {
            publish: { allow: ["diag.>"] }, subscribe: { allow: ["_INBOX.>"] } } } ] }"""
    ).start()
    bus = started(NatsSettings(url=server.url.replace("//", "//u:p@")))
    await bus.subscribe("diag.orders.*", lambda _: None, queue="diag")
    await until(lambda: bus.state.reason.startswith("not permitted: this role may not subscribe diag.orders.* ("))
    assert bus.state.state is BusState.CONNECTED


async def test_a_burst_is_heard_whole_and_in_order(nats_server: NatsServer) -> None:
    """Nothing of ours stands between socket and handler that could overflow: a slow reader is slow for the server."""
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    sender = await NatsBus.connect(NatsSettings(url=nats_server.url), "sender")
    heard: list[bytes] = []
    await bus.subscribe("burst", lambda message: heard.append(message.data))
    await bus.barrier()
    sent = [str(number).encode() for number in range(100_000)]
    for start in range(0, len(sent), 10_000):
        for one in sent[start : start + 10_000]:
            await sender.publish("burst", one)
        time.sleep(0.05)  # noqa: ASYNC251  whoever shares our loop keeps it
    await sender.barrier(30)
    await until(lambda: len(heard) == len(sent), 30)
    assert (heard == sent, bus.dropped) == (True, 0)
    await sender.close()
    await bus.close()


async def test_a_handler_that_fails_costs_no_message(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    heard: list[bytes] = []

    def fails(message: Message) -> None:
        heard.append(message.data)
        raise asyncio.CancelledError if message.data == b"1" else RuntimeError("on purpose")

    await bus.subscribe("bad", fails)
    await bus.barrier()
    for number in range(4):
        await bus.publish("bad", str(number).encode())
    await until(lambda: len(heard) == 4)
    assert heard == [b"0", b"1", b"2", b"3"]
    assert bus.state.state is BusState.CONNECTED
    await bus.close()


@pytest.mark.parametrize(
    "line",
    [
        b"PUB deaf.\xff 1\r\nx\r\n",
        b"PUB deaf.x _INBOX.\xff 1\r\nx\r\n",
        b"HPUB deaf.x 11 12\r\ngarbage\r\n\r\nx\r\n",
        b"HPUB deaf.x 18 19\r\nNATS/1.0\r\n\xff: y\r\n\r\nx\r\n",
    ],
)
async def test_nothing_that_a_publisher_sends_makes_us_deaf(nats_server: NatsServer, line: bytes) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    await bus.subscribe("deaf.*", lambda _: None)
    await answering(bus, "ping")
    await bus.barrier()
    link_before = bus._link
    reader, writer = await asyncio.open_connection(nats_server.host, nats_server.port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false,"headers":true,"protocol":1}\r\n' + line * 5 + b"PING\r\n")
    await asyncio.wait_for(reader.readuntil(b"PONG"), 5)
    for _ in range(5):
        assert (await bus.request("ping", timeout_s=2)).data == b"pong"
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.5)
    assert bus._link is link_before, "the connection was never lost"
    await bus.close()


@pytest.mark.parametrize("url", ["tls://alice:s3cret@{}", "nats://alice:s3cret@{}"])
async def test_nothing_goes_to_a_plain_server_when_tls_is_wanted(url: str) -> None:
    heard = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"proto":1,"headers":true}\r\n')
        heard.extend(await reader.read(4096))

    ca_file = "" if url.startswith("tls") else ssl.get_default_verify_paths().cafile or ""
    if not ca_file and not url.startswith("tls"):
        pytest.skip("this system has no CA bundle to name")
    async with pretending(plain) as address:
        with pytest.raises(CannotConnect, match="does not speak TLS, so nothing was sent"):
            await NatsBus.connect(NatsSettings(url=url.format(address), tls_ca_file=ca_file), "test")
    assert bytes(heard) == b""


async def test_a_greeting_that_is_no_nats_is_called_so() -> None:
    async def odd(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO []\r\n")
        await asyncio.sleep(0.2)

    async with pretending(odd) as address:
        with pytest.raises(CannotConnect, match="not the NATS protocol"):
            await NatsBus.connect(NatsSettings(url=f"nats://{address}"), "test")


async def test_a_peer_that_joined_later_takes_over(make_server: MakeServer) -> None:
    routes = [free_port(), free_port()]

    def config(number: int) -> str:
        return f"""cluster {{ name: c, listen: "127.0.0.1:{routes[number]}",
            routes: ["nats-route://127.0.0.1:{routes[1 - number]}"] }}"""

    first = make_server(name="n0", config=config(0)).start()
    bus = await NatsBus.connect(NatsSettings(url=first.url), "test")
    await answering(bus, "ping")
    second = make_server(name="n1", config=config(1)).start()
    assert bus._link is not None
    connection = bus._link
    await until(lambda: any(str(second.port) in url for url in connection.discovered()))
    first.kill()
    await until(lambda: bus.server == "n1")
    asker = await NatsBus.connect(NatsSettings(url=second.url), "asker")
    assert (await asker.request("ping", timeout_s=2)).data == b"pong"
    await asker.close()
    await bus.close()


async def test_a_server_that_ends_each_connection_is_not_hammered() -> None:
    accepted = 0

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"proto":1,"headers":true}\r\n')
        await reader.readuntil(b"PING\r\n")
        writer.write(b"PONG\r\n")
        await writer.drain()
        writer.write(b"-ERR 'wat'\r\n")
        writer.close()

    async with pretending(rude) as address:
        bus = NatsBus(NatsSettings(url=f"nats://{address}"), "test")
        bus.start()
        await asyncio.sleep(3)
        assert 1 < accepted < 15
        await bus.close()


async def test_questions_wait_for_the_subscriptions_but_answers_do_not(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    bus._changed(StateChange(BusState.RECONNECTING, "as while a new connection is being confirmed"))
    await bus.publish("answer", b"x")
    with pytest.raises(NotConnected):
        await bus.publish("question", b"x", reply="_INBOX.x")
    await bus.close()


async def test_a_port_that_is_no_nats_port(make_server: MakeServer) -> None:
    server = make_server(monitoring=True).start()
    url = server.monitor_url.replace("http", "nats")
    with pytest.raises(CannotConnect, match=r"no answer in time|no NATS client port"):
        await NatsBus.connect(NatsSettings(url=url, connect_timeout_s=0.5), "test", timeout_s=3)


async def test_restart_of_the_server(nats_server: NatsServer, started: Callable[[NatsSettings], NatsBus]) -> None:
    bus = started(NatsSettings(url=nats_server.url))
    await answering(bus, "ping")
    await until(is_connected(bus))
    for _ in range(2):
        nats_server.stop()
        await until(lambda: bus.state.state is BusState.RECONNECTING)
        with pytest.raises(NotConnected):
            await bus.publish("ping", b"never sent late")
        nats_server.start()
        await until(is_connected(bus))
        assert (await bus.request("ping", timeout_s=2)).data == b"pong"


async def test_a_waiting_request_hears_of_the_broken_connection(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    await bus.subscribe("mute", lambda _: None)
    await bus.barrier()
    waiting = asyncio.create_task(bus.request("mute", timeout_s=60))
    await asyncio.sleep(0.1)
    nats_server.kill()
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(waiting, 10)
    await bus.close()


async def test_a_cancelled_barrier_leaves_no_deaf_client(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    await answering(bus, "ping")
    for _ in range(3):
        barrier = asyncio.create_task(bus.barrier())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        barrier.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await barrier
        await asyncio.sleep(0.05)
        assert (await bus.request("ping", timeout_s=2)).data == b"pong"
    await bus.close()


async def test_a_barrier_that_the_server_confirms_too_late_costs_no_connection(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    await answering(bus, "ping")
    link = bus._link
    nats_server.freeze()
    try:
        with pytest.raises(NoAnswer):
            await bus.barrier(0.1)
    finally:
        nats_server.thaw()
    await bus.barrier(10)  # the late PONG has come before this one
    assert (await bus.request("ping", timeout_s=10)).data == b"pong"
    assert bus._link is link
    await bus.close()


async def test_a_deaf_client_is_replaced(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    await answering(bus, "ping")
    assert bus._link is not None
    link, deaf = bus._link, bus._link._client

    # What a cancelled flush of nats-py itself does: the late PONG ends the read loop while is_connected stays true.
    flush = asyncio.create_task(deaf.flush())
    await asyncio.sleep(0)
    flush.cancel()
    await until(lambda: bus._link is not link and bus.state.state is BusState.CONNECTED)
    assert (await bus.request("ping", timeout_s=2)).data == b"pong"
    await bus.close()


async def test_closed_for_good_by_an_error_gets_a_new_client(make_server: MakeServer) -> None:
    server = make_server(config="max_payload: 1024").start()
    bus = await NatsBus.connect(NatsSettings(url=server.url), "test")
    await answering(bus, "ping")
    assert bus._link is not None
    link, first = bus._link, bus._link._client

    # Past our own check, as a client without it would do: the server answers -ERR and ends the connection.
    await first._send_publish("x", "", b"y" * 2000, 2000, None)
    await until(lambda: bus._link is not None and bus._link is not link and is_connected(bus)())
    assert first.is_closed
    assert (await bus.request("ping", timeout_s=2)).data == b"pong"
    await bus.close()


async def test_not_permitted_is_told_at_once_and_by_name(make_server: MakeServer) -> None:
    server = make_server(
        config="""authorization { users: [ { user: u, password: p, permissions: {
            publish: { allow: ["diag.>"] }, subscribe: { allow: ["_INBOX.>"] } } } ] }"""
    ).start()
    bus = await NatsBus.connect(NatsSettings(url=server.url.replace("//", "//u:p@")), "test")
    with pytest.raises(NotPermitted, match=r"may not publish diagctl\.orders\.chaos"):
        await asyncio.wait_for(bus.request("diagctl.orders.chaos", timeout_s=60), 10)
    await bus.close()
    bus = await NatsBus.connect(NatsSettings(url=server.url.replace("//", "//u:p@")), "test")
    with pytest.raises(NotPermitted, match=r"may not publish \$JS\.API\.DIRECT\.GET\.ORDERS \("):
        await asyncio.wait_for(bus.request("$JS.API.DIRECT.GET.ORDERS", timeout_s=60), 10)
    await bus.subscribe("orders.newOrder", lambda _: None)
    await until(lambda: bus.state.reason.startswith("not permitted: this role may not subscribe orders.newOrder ("))
    await bus.close()
    closed_inbox = await NatsBus.connect(
        NatsSettings(url=server.url.replace("//", "//u:p@"), inbox_prefix="_INBOX_other"), "test"
    )
    with pytest.raises(NotPermitted, match="subscribe"):
        await asyncio.wait_for(closed_inbox.request("diag.orders.health", timeout_s=60), 10)
    await closed_inbox.close()


async def test_an_inbox_that_is_refused_is_told_to_everybody_who_asks_and_not_only_to_the_first(
    make_server: MakeServer, started: Callable[[NatsSettings], NatsBus]
) -> None:
    def config(inbox: str) -> str:
        return f"""authorization {{ users: [ {{ user: u, password: p, permissions: {{
            publish: {{ allow: ["diag.>"] }}, subscribe: {{ allow: ["{inbox}.>"] }} }} }} ] }}"""

    server = make_server(config=config("_INBOX_other")).start()
    bus = started(NatsSettings(url=server.url.replace("//", "//u:p@")))
    await until(is_connected(bus))
    for _ in range(3):
        with pytest.raises(NotPermitted, match=r"may not subscribe _INBOX\.") as refused:
            await asyncio.wait_for(bus.request("diag.orders.health", timeout_s=60), 10)
        assert refused.value.subject.startswith("_INBOX.")
    assert bus.state.reason.startswith("not permitted: this role may not subscribe _INBOX."), (
        "and whoever looks sees it"
    )
    server.configure(config("_INBOX"))
    server.restart()
    await until(lambda: is_connected(bus)() and not bus.state.reason)
    with pytest.raises(NoResponders):
        await bus.request("diag.orders.health", timeout_s=10)


async def test_a_frozen_server_bounds_every_wait(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    nats_server.freeze()
    try:
        with pytest.raises(NoAnswer):
            await bus.barrier(0.3)
        with pytest.raises(NoAnswer):
            await bus.request("x", timeout_s=0.3)
        async with asyncio.timeout(8):
            await bus.close(0.5)
    finally:
        nats_server.thaw()


async def test_many_clients_come_back_with_jitter(nats_server: NatsServer) -> None:
    buses = [await NatsBus.connect(NatsSettings(url=nats_server.url), f"test-{n}") for n in range(20)]
    back: list[float] = []
    loop = asyncio.get_running_loop()
    for bus in buses:
        bus.watch(lambda change: back.append(loop.time()) if change.state is BusState.CONNECTED else None)
    await asyncio.to_thread(nats_server.stop)
    await until(lambda: all(bus.state.state is BusState.RECONNECTING for bus in buses))
    await asyncio.sleep(1)
    await asyncio.to_thread(nats_server.start)  # in our loop it would hold them all up, and let them go in step
    await until(lambda: len(back) == len(buses))
    assert max(back) - min(back) > 0.1, "all came back in step"
    for bus in buses:
        await bus.close()


async def test_nothing_is_left_behind(nats_server: NatsServer) -> None:
    async def round_trip() -> None:
        bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
        await answering(bus, "ping")
        await bus.barrier()
        await bus.request("ping", timeout_s=2)
        await bus.close()

    await round_trip()
    tasks, descriptors = len(asyncio.all_tasks()), open_descriptors()
    for _ in range(10):
        await round_trip()
    await asyncio.sleep(0.1)
    assert len(asyncio.all_tasks()) == tasks
    assert open_descriptors() <= descriptors
