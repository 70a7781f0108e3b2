"""The traps that need whole processes: credentials that expire, a server that cuts us off, a role that may not."""

import asyncio
import json
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Final

import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.nats import NatsBus
from diagmesh.client import Mesh
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.wire import Answer, Nothing, Question, Status
from diagmesh.errors import BusError
from diagmesh.member import Member, addresses_of_instance, new_boot
from diagmesh.serve import Asked, Endpoint, Identity
from diagmesh.settings import NatsSettings
from support.doors import http_answer, scripted
from support.natsserver import MakeServer, NatsServer
from support.operators import Operator, creds
from support.procs import alive
from support.programs import Program, wait_until
from support.sidecars import sidecar, sleeper
from support.smallmesh import SmallMesh

GENEROUS_S: Final = 30.0
LIVES_S: Final = 20.0
"""A JWT lives so long: three processes start meanwhile."""
REMEMBERED_S: Final = 1.5
"""Longer than a sidecar remembers what a door said."""
Connect = Callable[[NatsSettings], Awaitable[NatsBus]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes connected buses that are closed with the test."""
    async with AsyncExitStack() as stack:

        async def make(settings: NatsSettings) -> NatsBus:
            bus = await NatsBus.connect(settings, "test")
            stack.push_async_callback(bus.close)
            return bus

        yield make


async def until_answered(bus: NatsBus, subject: str, within_s: float = GENEROUS_S) -> Message:
    """Ask again and again until there is a reply."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            return await bus.request(subject, timeout_s=2)
        except BusError as error:
            trouble = error
            await asyncio.sleep(0.05)
    raise TimeoutError(f"nobody answered {subject}: {trouble}")


async def until_true(holds: Callable[[], bool], what: str) -> None:
    """Wait for something that other processes do."""
    await asyncio.to_thread(wait_until, holds, GENEROUS_S, what)


def says(program: Program, words: str) -> Callable[[], bool]:
    """Whether these words stand in its log."""
    return lambda: words in program.log_text()


# --- credentials that expire while they are used


async def test_a_jwt_that_expires_is_named_and_a_fresh_one_taken_up_by_all(
    make_server: MakeServer, tmp_path: Path, connect: Connect
) -> None:
    """The server ends the connection, nats-py closes for good, and a new attempt is refused without a reason."""
    operator, files = Operator(), {name: tmp_path / f"{name}.creds" for name in ("sidecar", "coordinator", "reader")}
    server = make_server(config=operator.config).start()
    reader = tmp_path / "asker.creds"
    reader.write_text(creds(*operator.user()))

    def issue(lives_s: float) -> None:
        for file in files.values():
            file.write_text(creds(*operator.user(expires=int(time.time() + lives_s))))

    issue(LIVES_S)
    log = tmp_path / "watch.log"
    with ExitStack() as stack:
        watched = stack.enter_context(sleeper(tmp_path))
        given = ["--pid", str(watched.pid), "--creds-file", str(files["sidecar"])]
        beside = stack.enter_context(sidecar(tmp_path, server.url, "orders", "i1", *given))
        module = ["python", "-m", "diagmesh_coordinator", "--nats", server.url, "--heartbeat", "0.5"]
        module += ["--creds-file", str(files["coordinator"])]
        directing = stack.enter_context(Program(module, tmp_path / "coordinator.log"))
        looking = ["ask", "health", "--watch", "--every", "1", "--json", "--timeout", "1", "--nats", server.url]
        command = ["python", "-m", "diagmesh_cli", *looking, "--creds-file", str(files["reader"])]
        bus = await connect(NatsSettings(url=server.url, creds_file=str(reader)))
        await until_answered(bus, "diag.mesh.health")
        await until_answered(bus, "diag.orders.health.i1")
        client = stack.enter_context(Program(command, log))
        for program in (beside, directing):
            await until_true(says(program, "the user's JWT has expired"), "the cause is named")
            await until_true(says(program, "put a fresh one there, it is read at every attempt"), "and what to do")
            assert program.running
        await until_true(says(client, "JWT"), "the watch tells it")
        issue(3600)
        await until_answered(bus, "diag.orders.health.i1")
        reply = decode_reply((await until_answered(bus, "diag.mesh.health")).data)
        assert reply.status is Status.ANSWERED

        def looks_again() -> bool:
            *_, last = client.log_text().splitlines()
            return last.startswith("{") and last.endswith("}") and "error" not in json.loads(last)

        await until_true(looks_again, "the watch sees the mesh again")
        for name, program in (("sidecar", beside), ("coordinator", directing), ("reader", client)):
            seed = files[name].read_text().split("SEED-----\n")[1].split("\n")[0]
            assert seed not in program.log_text()


# --- cut off by the server


async def test_a_sidecar_that_reads_too_slowly_is_cut_off_comes_back_and_says_so(
    make_server: MakeServer, tmp_path: Path, connect: Connect
) -> None:
    server = make_server(monitoring=True, config='max_payload: 65536\nmax_pending: 65536\nwrite_deadline: "1s"').start()
    with sleeper(tmp_path) as watched, sidecar(tmp_path, server.url, "orders", "i1", "--pid", str(watched.pid)) as slow:
        bus = await connect(NatsSettings(url=server.url))
        await until_answered(bus, "diag.orders.health.i1")
        slow.freeze()
        try:
            body = b" " * 32_768
            deadline = time.monotonic() + GENEROUS_S
            while not slow_consumers(server):
                assert time.monotonic() < deadline, "the server never cut it off"
                for _ in range(100):
                    await bus.publish("diag.orders.health.i1", body, reply="_INBOX.nobody")
                await bus.barrier(10)
        finally:
            slow.thaw()
        await until_answered(bus, "diag.orders.health.i1")
        assert "cut us off as a slow consumer" in slow.log_text()
        assert alive(watched.pid)


def slow_consumers(server: NatsServer) -> int:
    """How many clients the server has cut off for that."""
    with socket.create_connection((server.host, server.monitor_port), timeout=10) as plug:
        plug.sendall(b"GET /varz HTTP/1.0\r\n\r\n")
        said = b""
        while more := plug.recv(65536):
            said += more
    return int(json.loads(said.partition(b"\r\n\r\n")[2])["slow_consumers"])


# --- what one role may not


async def test_a_sidecar_with_the_key_of_another_service_says_what_it_may_not(tmp_path: Path) -> None:
    with SmallMesh(tmp_path) as small:
        settings = tmp_path / "wrong.toml"
        settings.write_text(
            f"""heartbeat_s = 0.2
            [nats]
            url = "{small.url}"
            nkey_file = "{small.ring.seed_file("agent-orders")}"
            inbox_prefix = "_INBOX_agent_orders"
            [[targets]]
            service = "payments"
            instance = "p1"
            """
        )
        wrong = small.program(["python", "-m", "diagmesh_agents", "--config", settings], "wrong")
        for subject in ("subscribe diag.payments.*", "publish diagev.hb.payments.p1"):
            words = f"not permitted: this role may not {subject} (role agent-orders, by its key file)"
            await until_true(says(wrong, words), words)
        await asyncio.sleep(2)  # ten heartbeats, each refused
        errors = [line for line in wrong.log_text().splitlines() if '"error"' in line and "diagev.hb" in line]
        assert len(errors) == 1, "a refusal that comes again and again is told once"
        assert wrong.running


# --- one reply for each question, whatever happens to whoever answers


class Odd:
    """A kind whose look does what the question's subject says; implements `diagmesh.serve.Kinds`."""

    def find(self, kind: str) -> Endpoint | None:
        async def look(_: Question, __: Asked) -> Answer:
            if kind == "cancelled":
                raise asyncio.CancelledError
            if kind == "cancels-itself":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(10)
            return Answer()

        def decode(_: bytes) -> Nothing:
            if kind == "undecodable":
                raise asyncio.CancelledError
            return Nothing()

        return Endpoint(kind=kind, decode=decode, look=look, budget_s=5, most_s=5, concurrency=4)

    def names(self) -> list[str]:
        return ["cancelled", "cancels-itself", "undecodable", "fine"]


async def test_a_cancellation_that_an_agent_lets_out_is_a_reply_and_the_next_question_is_answered(
    nats_server: NatsServer, connect: Connect
) -> None:
    bus, asker = await connect(NatsSettings(url=nats_server.url)), await connect(NatsSettings(url=nats_server.url))
    identity = Identity(service="orders", instance="i1", boot=new_boot(), host="here")
    member = Member(bus, identity, Odd(), addresses_of_instance("orders", "i1"))
    await member.start()
    try:
        for kind in ("cancelled", "cancels-itself", "undecodable"):
            reply = decode_reply((await asker.request(f"diag.orders.{kind}.i1", timeout_s=10)).data)
            assert (reply.status, reply.problem and reply.problem.code) == (Status.FAILED, 500), kind
            fine = decode_reply((await asker.request("diag.orders.fine.i1", timeout_s=10)).data)
            assert fine.status is Status.ANSWERED
    finally:
        await member.drain(1)


async def test_a_sidecar_that_is_told_to_end_answers_what_it_is_at(
    nats_server: NatsServer, tmp_path: Path, connect: Connect
) -> None:
    knocked, go_on = threading.Event(), threading.Event()

    def slow(plug: socket.socket) -> None:
        plug.recv(65536)
        knocked.set()
        go_on.wait(5)
        plug.sendall(http_answer())

    bus = await connect(NatsSettings(url=nats_server.url))
    with scripted(slow) as door, sleeper(tmp_path) as watched:
        probe = ["--pid", str(watched.pid), "--probe-http", f"http://{door.address}/"]
        with sidecar(tmp_path, nats_server.url, "orders", "i1", *probe) as ending:
            go_on.set()
            await until_answered(bus, "diag.orders.health.i1")
            go_on.clear()
            knocked.clear()
            await asyncio.sleep(REMEMBERED_S)
            asked = asyncio.create_task(bus.request("diag.orders.health.i1", timeout_s=10))
            assert await asyncio.to_thread(knocked.wait, 10)
            ending.send(signal.SIGTERM)
            await asyncio.sleep(0.3)
            go_on.set()
            assert decode_reply((await asked).data).status is Status.ANSWERED
            assert await ending.ended() == 0


async def test_an_answer_that_the_server_would_not_take_is_a_413(
    make_server: MakeServer, tmp_path: Path, connect: Connect
) -> None:
    server = make_server(config="max_payload: 2200").start()
    with (
        sleeper(tmp_path) as watched,
        sidecar(tmp_path, server.url, "orders", "i1", "--pid", str(watched.pid)) as tight,
    ):
        bus = await connect(NatsSettings(url=server.url))
        message = await until_answered(bus, "diag.orders.resources.i1")
        reply = decode_reply(message.data)
        assert reply.problem is not None
        assert (reply.problem.code, reply.problem.error) == (413, "answer too large")
        assert message.headers is not None
        assert message.headers["Nats-Service-Error-Code"] == "413"
        await until_answered(bus, "diag.orders.health.i1")
        assert "reconnecting" not in tight.log_text(), "the connection was not lost for it"


async def test_a_frozen_coordinator_that_is_cut_off_comes_back_complete(tmp_path: Path) -> None:
    """Its connection ended while it stood still; nobody is called lost for that."""
    # Long enough that only the frozen one is cut off, and nobody who merely waits for his turn.
    with SmallMesh(tmp_path, more_server='ping_interval: "2500ms"\nping_max: 1') as small:
        small.sidecar("orders", "i1")
        directing = small.coordinator()
        async with Mesh.connect(url=small.url) as mesh:
            await mesh.all("health", timeout_s=GENEROUS_S)
            directing.freeze()
            await until_true(lambda: "diag/mesh/c1" not in small.connections(), "it is cut off")
            directing.thaw()
            deadline, seen = time.monotonic() + GENEROUS_S, ""
            while seen != "c1 complete: {'answered': 1}":
                assert time.monotonic() < deadline, seen
                try:
                    result = await mesh.all("health", timeout_s=2)
                    seen = f"{result.coordinator} {result.ended}: {result.answer.by_status}"
                    assert not [one for one in result.silent if one.reason.startswith("not connected")]
                except BusError as error:
                    seen = str(error)
