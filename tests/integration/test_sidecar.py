"""A real sidecar beside a real process on a real server: addresses, refusals, heartbeats, drain, restarts."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from diagmesh.bus.core import BusState, Message
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.wire import Reply, Status
from diagmesh.errors import BusError, MessageTooLarge, NoAnswer, NoResponders
from diagmesh.settings import NatsSettings
from support.natsserver import NatsServer
from support.procs import alive
from support.programs import Program, wait_until
from support.sidecars import sidecar, sleeper


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Program]:
    with sleeper(tmp_path) as program:
        yield program


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    yield bus
    await bus.close()


@pytest.fixture
async def beside(nats_server: NatsServer, watched: Program, bus: NatsBus, tmp_path: Path) -> AsyncIterator[Program]:
    """A ready sidecar orders/i1 beside a sleeping process."""
    with sidecar(tmp_path, nats_server.url, "orders", "i1", "--pid", str(watched.pid)) as program:
        await ready(bus)
        yield program


class Calm(NamedTuple):
    """A server, and on it a sidecar orders/i1 beside a sleeping process, whom no test hurts."""

    server: NatsServer
    watched: Program


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calm]:
    folder = tmp_path_factory.mktemp("calm")
    with (
        NatsServer(tmp_path_factory.mktemp("nats")) as server,
        sleeper(folder) as watched,
        sidecar(folder, server.url, "orders", "i1", "--pid", str(watched.pid)),
    ):
        yield Calm(server, watched)


@pytest.fixture
async def asker(calm: Calm) -> AsyncIterator[NatsBus]:
    """Somebody who asks the sidecar that no test hurts, once it is ready."""
    bus = await NatsBus.connect(NatsSettings(url=calm.server.url), "test")
    await ready(bus)
    yield bus
    await bus.close()


async def ready(bus: NatsBus, subject: str = "diag.orders.health.i1") -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await bus.request(subject, timeout_s=1)
            except (NoResponders, NoAnswer):
                await asyncio.sleep(0.05)
            else:
                return


async def ask(bus: NatsBus, subject: str, body: bytes = b"") -> Reply:
    return decode_reply((await bus.request(subject, body, timeout_s=5)).data)


@pytest.mark.parametrize(
    "address", ["diag.orders.health", "diag.orders.health.all", "diag.orders.health.i1", "diag.all.health"]
)
async def test_four_addresses(asker: NatsBus, address: str) -> None:
    replies: list[Message] = []
    inbox = asker.open_inbox(replies.append, lambda _: None)
    await asker.publish(address, reply=inbox.reply_to(0, address))
    async with asyncio.timeout(20):
        while not replies:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)  # a second one would come by then
    (message,) = replies
    reply = decode_reply(message.data)
    assert (reply.service, reply.instance, reply.kind, reply.status) == ("orders", "i1", "health", Status.ANSWERED)


async def test_both_agents_tell_the_truth(asker: NatsBus, calm: Calm) -> None:
    health = json.loads(bytes((await ask(asker, "diag.orders.health")).answer))  # type: ignore[arg-type]
    assert (health["state"], health["pid"]) == ("up", calm.watched.pid)
    resources = json.loads(bytes((await ask(asker, "diag.orders.resources")).answer))  # type: ignore[arg-type]
    rss_kib = next(
        int(line.split()[1])
        for line in Path(f"/proc/{calm.watched.pid}/status").read_text().splitlines()
        if "VmRSS" in line
    )
    assert resources["memory"]["rss_bytes"] == pytest.approx(rss_kib * 1024, rel=0.1)


@pytest.mark.parametrize(
    ("subject", "body", "code", "says"),
    [
        ("diag.orders.helth", b"", 404, "kinds: "),
        ("diag.orders.health", b"not json", 400, "no JSON object"),
        ("diag.orders.health", b'{"timeout_ms":"1"}', 400, "got `str` - at `$.timeout_ms`"),
        ("diag.orders.health", b'{"nonsense":1}', 400, "unknown field `nonsense`"),
        ("diag.orders.health", b"x" * 100_000, 413, "100000 bytes"),
    ],
)
async def test_bad_input_is_named_to_the_asker(asker: NatsBus, subject: str, body: bytes, code: int, says: str) -> None:
    message = await asker.request(subject, body, timeout_s=5)
    problem = decode_reply(message.data).problem
    assert problem is not None
    assert problem.code == code
    assert says in f"{problem.detail} {problem.hint}"
    assert message.headers is not None
    assert message.headers["Nats-Service-Error-Code"] == str(code)
    assert (await ask(asker, "diag.orders.health")).status is Status.ANSWERED


async def test_above_max_payload_fails_at_the_asker(asker: NatsBus) -> None:
    with pytest.raises(MessageTooLarge):
        await asker.request("diag.orders.health", b"x" * (asker.max_payload + 1), timeout_s=5)
    assert (await ask(asker, "diag.orders.health")).status is Status.ANSWERED


async def test_a_wildcard_target_is_nobody(asker: NatsBus) -> None:
    with pytest.raises(BusError):
        await asker.request("diag.*.health", timeout_s=2)


async def test_a_forged_reply_subject_is_dropped_counted_and_told(asker: NatsBus) -> None:
    events: list[dict[str, Any]] = []
    victims: list[Message] = []
    await asker.subscribe("diagev.ev.orders.*", lambda message: events.append(json.loads(message.data)))
    await asker.subscribe("diagctl.>", victims.append)
    await asker.barrier()
    for _ in range(3):
        await asker.publish("diag.orders.health", reply="diagctl.payments.chaos.i1")
    async with asyncio.timeout(10):
        while sum(event.get("count", 1) for event in events) < 3:
            await asyncio.sleep(0.05)
    assert {event["kind"] for event in events} == {"forged-reply"}
    assert victims == []
    assert (await ask(asker, "diag.orders.health")).status is Status.ANSWERED


async def test_heartbeats_and_bye(nats_server: NatsServer, watched: Program, bus: NatsBus, tmp_path: Path) -> None:
    beats: list[dict[str, Any]] = []
    await bus.subscribe("diagev.hb.orders.i1", lambda message: beats.append(json.loads(message.data)))
    await bus.barrier()
    flags = ("--pid", str(watched.pid), "--label", "zone=a")
    with sidecar(tmp_path, nats_server.url, "orders", "i1", *flags) as program:
        async with asyncio.timeout(20):
            while len(beats) < 3:
                await asyncio.sleep(0.05)
        program.send(signal.SIGTERM)
        assert await program.ended() == 0, program.log_text()
    async with asyncio.timeout(20):
        while not beats[-1].get("bye"):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)  # nothing may come after it
    assert [beat["n"] for beat in beats] == list(range(1, len(beats) + 1))
    assert len({beat["boot"] for beat in beats}) == 1
    assert {"health", "resources"} <= set(beats[0]["kinds"])
    assert beats[0]["labels"] == {"zone": "a"}
    assert [beat.get("bye", False) for beat in beats] == [False] * (len(beats) - 1) + [True]
    with pytest.raises(NoResponders):
        await bus.request("diag.orders.health", timeout_s=2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_watched_process_does_not_notice(
    beside: Program, watched: Program, bus: NatsBus, number: signal.Signals
) -> None:
    beside.send(number)
    await asyncio.sleep(0.3)
    assert alive(watched.pid)
    state = Path(f"/proc/{watched.pid}/stat").read_text().rpartition(") ")[2][0]
    assert state == "S"
    with pytest.raises(BusError):
        await bus.request("diag.orders.health.i1", timeout_s=0.5)


async def test_a_frozen_server_does_not_hold_the_end(beside: Program, nats_server: NatsServer) -> None:
    nats_server.freeze()
    try:
        started = time.monotonic()
        beside.send(signal.SIGTERM)
        assert await beside.ended() == 0
        assert time.monotonic() - started < 9, "a container is killed after 10 s"
    finally:
        nats_server.thaw()


async def test_closed_standard_streams_are_no_trouble(
    nats_server: NatsServer, watched: Program, bus: NatsBus, tmp_path: Path
) -> None:
    code = "import os, sys; os.close(0); os.close(1); os.execv(sys.executable, [sys.executable, '-m', *sys.argv[1:]])"
    who = ["--service", "orders", "--instance", "i1", "--nats", nats_server.url, "--pid", str(watched.pid)]
    with Program([sys.executable, "-c", code, "diagmesh_agents", *who], tmp_path) as program:
        await ready(bus)
        program.send(signal.SIGTERM)
        assert await program.ended() == 0, program.log_text()


async def test_discovery_on_a_real_server(asker: NatsBus) -> None:
    reply = await asker.request("$SRV.INFO.diag-agent", timeout_s=5)
    info = json.loads(reply.data)
    assert info["type"] == "io.nats.micro.v1.info_response"
    assert {endpoint["name"] for endpoint in info["endpoints"]} >= {"health", "resources"}


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "no target"),
        (("--service", "Orders"), "no legal name"),
        (("--pid", "1"), "--service is missing"),
        (("--service", "a", "--pid", "1", "--port", "2"), "in one way"),
        (("--service", "a", "--probe-http", "ftp://x"), "http"),
        (("--service", "a", "--nonsense"), "unrecognized"),
        (("--config", "/nowhere.toml"), "/nowhere.toml"),
        (("--service", "a", "--log-level", "loud"), "log_level"),
    ],
)
async def test_wrong_settings_end_with_64_and_a_reason(tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
    import sys  # noqa: PLC0415  the interpreter of this test

    with Program([sys.executable, "-m", "diagmesh_agents", *flags], tmp_path) as program:
        assert await program.ended() == 64
        assert says in program.log_text()
        assert "Traceback" not in program.log_text()


async def test_ten_thousand_questions_over_two_restarts(
    beside: Program, nats_server: NatsServer, watched: Program
) -> None:
    """Each is answered or failed with a named reason at the asker; the sidecar is back soon after the server."""
    asker = await NatsBus.connect(NatsSettings(url=nats_server.url), "asker")
    outcomes: dict[str, int] = {}
    total, at_a_time = 10_000, 8

    async def worker(count: int) -> None:
        for _ in range(count):
            try:
                reply = decode_reply((await asker.request("diag.orders.health", timeout_s=5)).data)
                name = str(reply.status) if reply.problem is None else f"{reply.status} {reply.problem.code}"
            except BusError as error:
                name = type(error).__name__ if str(error) else "an error without a reason"
                await asyncio.sleep(0.1)  # else a server that takes long to start would use up the questions
            outcomes[name] = outcomes.get(name, 0) + 1

    async def restarts() -> list[float]:
        back = []
        for share in (0.25, 0.6):
            while sum(outcomes.values()) < share * total:
                await asyncio.sleep(0.02)
            await asyncio.to_thread(nats_server.stop)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(nats_server.start)
            since = time.monotonic()
            before = outcomes.get("answered", 0)
            while outcomes.get("answered", 0) == before:
                await asyncio.sleep(0.02)
            back.append(time.monotonic() - since)
        return back

    async with asyncio.timeout(100):
        restarting = asyncio.create_task(restarts())
        await asyncio.gather(restarting, *(worker(total // at_a_time) for _ in range(at_a_time)))
    back = restarting.result()
    assert sum(outcomes.values()) == total
    assert set(outcomes) <= {"answered", "ConnectionLost", "NotConnected", "NoResponders", "declined 429"}, outcomes
    assert outcomes["answered"] > total / 2, outcomes
    assert max(back) < 10, back
    assert asker.state.state is BusState.CONNECTED
    assert alive(watched.pid)
    await asker.close()


def test_the_alive_file_is_there_while_it_serves_gets_old_when_it_hangs_and_goes_with_it(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    command = ["python", "-m", "diagmesh_agents", "--service", "orders", "--pid", str(os.getpid())]
    # Nobody listens at that address: whether NATS is there is no matter of living.
    with Program([*command, "--nats", "nats://127.0.0.1:1", "--alive-file", str(file)], tmp_path) as program:
        wait_until(file.exists, 30, "the file of a sidecar that serves")
        program.freeze()
        os.utime(file, (1, 1))  # now that it stands still: else it may touch it once more
        time.sleep(6)  # longer than its pace
        assert file.stat().st_mtime == 1
        program.thaw()
        wait_until(lambda: file.stat().st_mtime > 1, 30, "a fresh file")
        assert program.stop() == 0
    assert not file.exists()
