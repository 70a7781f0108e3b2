"""The control door of real sidecars on a real server with its roles: used as it should be, and bypassed in vain."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.nats import NatsBus
from diagmesh.client import Mesh, set_log_level
from diagmesh.contract.answers.health import Health
from diagmesh.contract.codec import decode_reply, encode
from diagmesh.contract.control import AUTH_HEADER, LogLevelQuestion
from diagmesh.contract.presence import Event
from diagmesh.contract.wire import Reply, Status
from diagmesh.control import sign
from diagmesh.errors import Declined, NotPermitted
from diagmesh.keys import read_seed
from diagmesh.settings import NatsSettings
from support.smallmesh import SmallMesh

GENEROUS_S: Final = 15.0
DEBUG: Final = encode(LogLevelQuestion(level="debug", for_s=2))
P1: Final = "diagctl.payments.log-level.p1"
DEBUG_LINE: Final = '"level": "debug"'

Join = Callable[[str], Awaitable[NatsBus]]
INBOXES: Final = {
    "agent-orders": "_INBOX_agent_orders",
    "reader": "_INBOX",
    "operator": "_INBOX_priv",
    "coordinator": "_INBOX_coord",
}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallMesh]:
    """Two sidecars of payments obey the operator, that of orders obeys nobody."""
    with SmallMesh(tmp_path) as made:
        open_door = f'operators = ["{made.ring.public["operator"]}"]\ncontrol = ["log-level"]'
        made.sidecar("orders", "i1")
        made.sidecar("payments", "p1", more=open_door)
        made.sidecar("payments", "p2", more=open_door)
        yield made


@pytest.fixture
async def join(small: SmallMesh) -> AsyncIterator[Join]:
    """A connection in a role."""
    made: list[NatsBus] = []

    async def connected(role: str) -> NatsBus:
        seed = str(small.ring.seed_file(role))
        bus = NatsBus(NatsSettings(url=small.url, nkey_file=seed, inbox_prefix=INBOXES[role]), f"test-{role}")
        made.append(bus)
        bus.start()
        async with asyncio.timeout(GENEROUS_S):
            while bus.state.state != "connected":
                await asyncio.sleep(0.01)
        return bus

    yield connected
    for bus in made:
        await bus.close()


class Watcher:
    """What the sidecars tell of their control doors, and of forged replies."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def on(self, bus: NatsBus) -> "Watcher":
        await bus.subscribe("diagev.ev.>", self._told)
        await bus.barrier()
        return self

    def _told(self, message: Message) -> None:
        self.events.append(msgspec.json.decode(message.data, type=Event))

    def of(self, service: str) -> list[str]:
        return [f"{event.kind}: {event.what}" for event in self.events if event.service == service]

    async def until(self, service: str, what: str) -> None:
        async with asyncio.timeout(GENEROUS_S):
            while not any(what in one for one in self.of(service)):
                await asyncio.sleep(0.02)


async def boot_of(bus: NatsBus, service: str, instance: str) -> str:
    message = await bus.request(f"diag.{service}.health.{instance}", timeout_s=GENEROUS_S)
    return decode_reply(message.data).boot


async def header(small: SmallMesh, bus: NatsBus, *, role: str = "operator", valid_s: int = 10) -> dict[str, str]:
    value = sign(
        seed=read_seed(small.ring.seed_file(role)).seed,
        subject=P1,
        body=DEBUG,
        boot=await boot_of(bus, "payments", "p1"),
        now=time.time(),
        nonce=secrets.token_urlsafe(18),
        valid_s=valid_s,
    )
    return {AUTH_HEADER: value}


async def asked(bus: NatsBus, headers: dict[str, str] | None, subject: str = P1) -> Reply:
    return decode_reply((await bus.request(subject, DEBUG, timeout_s=GENEROUS_S, headers=headers)).data)


def code(reply: Reply) -> int:
    assert reply.problem is not None
    return reply.problem.code


def logs_debug(small: SmallMesh, name: str) -> bool:
    return DEBUG_LINE in small.sidecars[name].log_text()


async def test_an_operators_word_is_done_on_every_sidecar_of_the_service_and_ends_by_itself(
    small: SmallMesh, join: Join
) -> None:
    operator = await join("operator")
    watcher = await Watcher().on(operator)
    mesh = Mesh(operator)
    told = await set_log_level(
        mesh,
        "payments",
        question=LogLevelQuestion(level="debug", for_s=5),
        seed_file=small.ring.seed_file("operator"),
        timeout_s=GENEROUS_S,
    )
    assert [(heard.where, heard.answer.level, heard.answer.then) for heard in told.each] == [
        ("payments/p1", "debug", "info"),
        ("payments/p2", "debug", "info"),
    ]
    assert told.silent == ()
    await watcher.until("payments", "done: log-level debug for 5 s")
    assert sum("accepted: log-level debug for 5 s" in one for one in watcher.of("payments")) == 2
    public = small.ring.public["operator"]
    assert all(event.detail == {"operator": public} for event in watcher.events if event.kind == "control")
    await mesh.one(Health, "payments", instance="p1", timeout_s=GENEROUS_S)
    assert logs_debug(small, "payments/p1")
    async with asyncio.timeout(GENEROUS_S):
        while "the log level is that of the settings again" not in small.sidecars["payments/p1"].log_text():
            await asyncio.sleep(0.05)
    lines = small.sidecars["payments/p1"].log_text().count(DEBUG_LINE)
    await mesh.one(Health, "payments", instance="p1", timeout_s=GENEROUS_S)
    assert small.sidecars["payments/p1"].log_text().count(DEBUG_LINE) == lines


async def test_the_door_is_closed_by_default_and_says_how_it_is_opened(small: SmallMesh, join: Join) -> None:
    operator = await join("operator")
    watcher = await Watcher().on(operator)
    told = await set_log_level(
        Mesh(operator),
        "orders",
        "i1",
        question=LogLevelQuestion(level="debug"),
        seed_file=small.ring.seed_file("operator"),
        timeout_s=GENEROUS_S,
    )
    (heard,) = told.each
    assert heard.problem is not None
    assert (heard.problem.code, heard.problem.detail) == (403, "control is closed")
    assert "operators = [" in heard.problem.hint
    assert 'control = ["log-level"]' in heard.problem.hint
    await watcher.until("orders", "control: refused: log-level: control is closed")
    assert not logs_debug(small, "orders/i1")


async def test_bypass_1_a_reader_uses_a_sidecar_as_its_deputy(small: SmallMesh, join: Join) -> None:
    reader = await join("reader")
    watcher = await Watcher().on(reader)
    with pytest.raises(NotPermitted):
        await reader.request(P1, DEBUG, timeout_s=GENEROUS_S)
    # The question itself is allowed, and so would be its answer, wherever it goes.
    await reader.publish("diag.orders.health.i1", b"", reply=P1)
    await watcher.until("orders", "forged-reply: ")
    await reader.request("diag.payments.health.p1", timeout_s=GENEROUS_S)
    assert watcher.of("payments") == [], "nothing came through"
    assert not logs_debug(small, "payments/p1")


async def test_bypass_1_with_a_deputy_that_answers_anywhere(small: SmallMesh, join: Join) -> None:
    reader, deputy = await join("reader"), await join("agent-orders")
    watcher = await Watcher().on(reader)

    def answer(message: Message) -> None:
        sending.append(asyncio.ensure_future(deputy.publish(message.reply, DEBUG, reply="_INBOX.elsewhere")))

    sending: list[asyncio.Future[None]] = []
    await deputy.subscribe("diag.orders.health.deputy", answer)
    await deputy.barrier()
    await reader.publish("diag.orders.health.deputy", b"", reply=P1)
    # The server lets it through, for it is an answer; what it lacks is a signature.
    await watcher.until("payments", "control: refused: log-level: a control request needs a signature")
    assert not any("accepted" in one or "done" in one for one in watcher.of("payments"))
    assert not logs_debug(small, "payments/p1")
    assert sending


async def test_bypass_2_the_coordinators_key_uses_the_server_as_its_deputy(small: SmallMesh, join: Join) -> None:
    coordinator = await join("coordinator")
    watcher = await Watcher().on(coordinator)
    with pytest.raises(NotPermitted):
        await coordinator.request(P1, DEBUG, timeout_s=GENEROUS_S)
    # The server itself answers there, which no permission forbids: only the door stops it.
    await coordinator.publish("$JS.API.STREAM.INFO.KV_diag_registry", b"", reply=P1)
    await watcher.until("payments", "control: refused: log-level: without an inbox")
    assert not any("accepted" in one or "done" in one for one in watcher.of("payments"))
    assert not logs_debug(small, "payments/p1")


async def test_a_stolen_connection_is_no_signature_and_a_recorded_request_is_good_once(
    small: SmallMesh, join: Join
) -> None:
    operator = await join("operator")
    watcher = await Watcher().on(operator)
    assert code(await asked(operator, None)) == 403
    assert code(await asked(operator, await header(small, operator, role="agent-payments"))) == 403
    assert code(await asked(operator, await header(small, operator, valid_s=31))) == 403
    recorded = await header(small, operator, valid_s=30)
    for subject in ("diagctl.payments.log-level", "diagctl.payments.log-level.all"):
        assert code(await asked(operator, recorded, subject)) == 400
    assert code(await asked(operator, recorded, "diagctl.payments.log-level.p2")) == 403
    assert not logs_debug(small, "payments/p1")
    assert (await asked(operator, recorded)).status is Status.ANSWERED
    assert code(await asked(operator, recorded)) == 403
    small.sidecars["payments/p1"].kill()
    small.sidecar("payments", "p1", more=f'operators = ["{small.ring.public["operator"]}"]\ncontrol = ["log-level"]')
    again = await asked(operator, recorded)
    assert again.problem is not None
    assert "start of ours" in again.problem.detail
    await watcher.until("payments", "refused: log-level: the signature does not fit")
    signature = recorded[AUTH_HEADER].rpartition(".")[2]
    assert not any(signature in str(event) for event in watcher.events)
    assert not any(signature in program.log_text() for program in small.sidecars.values())


async def test_a_coordinator_has_a_door_too(small: SmallMesh, join: Join) -> None:
    operators = f'operators = ["{small.ring.public["operator"]}"]'
    small.coordinator("c1", more=f'{operators}\ncontrol = ["log-level"]')
    small.coordinator("c2", more=operators)
    operator = await join("operator")
    watcher = await Watcher().on(operator)
    mesh, question = Mesh(operator), LogLevelQuestion(level="debug", for_s=2)
    seed_file = small.ring.seed_file("operator")
    async with asyncio.timeout(GENEROUS_S):
        while {one.instance for one in (await mesh.services(timeout_s=GENEROUS_S)).coordinators} != {"c1", "c2"}:
            await asyncio.sleep(0.1)
    told = await set_log_level(mesh, "mesh", question=question, seed_file=seed_file, timeout_s=GENEROUS_S)
    by_instance = {heard.reply.instance: heard for heard in told.each}
    assert by_instance["c1"].answer.level == "debug"
    refused = by_instance["c2"].problem
    assert refused is not None
    assert (refused.code, refused.detail) == (403, "log-level is not allowed here"), "only forget, unless it is said"
    await watcher.until("mesh", "done: log-level debug for 2 s")
    await watcher.until("mesh", "refused: log-level: log-level is not allowed here")
    with pytest.raises(Declined, match="there is no coordinator 'c3'"):
        await set_log_level(mesh, "mesh", "c3", question=question, seed_file=seed_file, timeout_s=GENEROUS_S)
    one = await set_log_level(mesh, "mesh", "c2", question=question, seed_file=seed_file, timeout_s=GENEROUS_S)
    assert [heard.reply.instance for heard in one.each] == ["c2"]


async def test_a_request_that_comes_late_is_refused(small: SmallMesh, join: Join) -> None:
    operator = await join("operator")
    watcher = await Watcher().on(operator)
    late = await header(small, operator, valid_s=1)
    await asyncio.sleep(1.1)
    refused = await asked(operator, late)
    assert refused.problem is not None
    assert (refused.problem.code, refused.problem.detail) == (403, "the request has expired")
    await watcher.until("payments", "refused: log-level: the request has expired")
