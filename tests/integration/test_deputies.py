"""What permissions cannot hold: an answer goes wherever its asker wants. Sidecar and coordinator are no deputies."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from diagmesh.contract.presence import Event
from support.natsserver import MakeServer
from support.permitting import Lab
from support.programs import Program
from support.sidecars import sidecar, sleeper

WAIT_S: Final = 20.0
ANSWERS: Final = 64
"""``allow_responses`` of the roles that answer: so many messages to one reply subject."""
ELSEWHERE: Final = (
    "diagev.hb.payments.i9",
    "diagev.alert.a1",
    "diagctl.orders.log-level.i1",
    "diag.payments.health",
    "$JS.API.STREAM.CREATE.X",
    "$KV.diag_registry.orders",
    "_INBOXES.x",
    "inbox.x",
    "_R_x",
)
"""Where nobody has an inbox."""


class World(NamedTuple):
    """A mesh with every role, and a witness who hears all of the account."""

    lab: Lab
    witness: Client
    reader: Client
    heard: list[Msg]

    async def told_elsewhere(self) -> list[str]:
        """Subjects of ``ELSEWHERE`` on which anything was heard by now."""
        for one in (self.reader, self.witness, self.reader, self.witness):
            await asyncio.sleep(0)
            await one.flush()
        return [message.subject for message in self.heard if message.subject in ELSEWHERE]

    async def forged(self, service: str, instance: str, times: int) -> None:
        """Wait until so many forged questions were told by that one."""
        async with asyncio.timeout(WAIT_S):
            while self._forged(service, instance) < times:
                await asyncio.sleep(0.05)

    def _forged(self, service: str, instance: str) -> int:
        told = [
            msgspec.json.decode(message.data, type=Event)
            for message in self.heard
            if message.subject == f"diagev.ev.{service}.forged-reply"
        ]
        return sum(event.count for event in told if event.instance == instance)


@pytest.fixture
async def world(make_server: MakeServer, tmp_path: Path) -> AsyncIterator[World]:
    lab = Lab(make_server, tmp_path, "simple")
    url, logs = lab.server.url, tmp_path / "logs"
    logs.mkdir()

    def keys(role: str) -> list[str]:
        inbox = next(one.inbox for one in lab.roles if one.name == role)
        return ["--nkey-file", str(tmp_path / f"{role}.nk"), "--inbox-prefix", inbox]

    command = ["python", "-m", "diagmesh_coordinator", "--nats", url, "--instance", "c1", "--heartbeat", "0.5"]
    with sleeper(logs) as watched, Program([*command, *keys("coordinator")], logs):
        flags = ["--pid", str(watched.pid), *keys("agent-orders")]
        with sidecar(logs, url, "orders", "i1", *flags):
            async with lab.connected("witness-DIAG", set()) as witness, lab.connected("reader", set()) as reader:
                heard: list[Msg] = []

                async def note(message: Msg) -> None:
                    heard.append(message)

                await witness.subscribe("diagev.>", cb=note)
                async with asyncio.timeout(WAIT_S):
                    while not {"diagev.hb.orders.i1", "diagev.hb.mesh.c1"} <= {one.subject for one in heard}:
                        await asyncio.sleep(0.05)
                for subject in ELSEWHERE:
                    if not subject.startswith("diagev."):
                        await witness.subscribe(subject, cb=note)
                await witness.flush()
                yield World(lab, witness, reader, heard)


async def test_a_question_whose_answer_would_go_anywhere_else_is_not_answered(world: World) -> None:
    for subject, service, instance in (
        ("diag.orders.health.i1", "orders", "i1"),
        ("diag.mesh.health.c1", "mesh", "c1"),
    ):
        for elsewhere in ELSEWHERE:
            await world.reader.publish(subject, b"", reply=elsewhere)
        await world.forged(service, instance, len(ELSEWHERE))
        answer = await world.reader.request(subject, b"", timeout=WAIT_S)
        assert orjson.loads(answer.data)["status"] == "answered", "it lives and answers whoever has an inbox"
    assert await world.told_elsewhere() == []


async def test_the_servers_answer_as_a_question_is_answered_to_nobody(world: World) -> None:
    refused: set[tuple[str, str]] = set()
    async with world.lab.connected("coordinator", refused) as coordinator:
        # JetStream answers on the subject that it is given, as the server itself: no permission stops that.
        await coordinator.publish("$JS.API.STREAM.INFO.KV_diag_registry", b"", reply="diag.orders.health.i1")
        await coordinator.publish("$JS.API.STREAM.INFO.KV_diag_registry", b"", reply="diag.orders.health.all")
        await coordinator.flush()
        assert refused == set()
    answer = await world.reader.request("diag.orders.health.i1", b"", timeout=WAIT_S)
    assert orjson.loads(answer.data)["status"] == "answered"
    assert await world.told_elsewhere() == []


async def test_one_question_allows_so_many_answers_and_no_more(world: World) -> None:
    refused: set[tuple[str, str]] = set()
    async with world.lab.connected("agent-payments", refused) as agent:
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def take(message: Msg) -> None:
            asked.set_result(message.reply)

        await agent.subscribe("diag.payments.health", cb=take)
        await agent.flush()
        got: list[bytes] = []

        async def note(message: Msg) -> None:
            got.append(message.data)

        await world.reader.subscribe("_INBOX.many", cb=note)
        await world.reader.publish("diag.payments.health", b"", reply="_INBOX.many")
        reply = await asyncio.wait_for(asked, WAIT_S)
        for number in range(ANSWERS + 5):
            await agent.publish(reply, str(number).encode())
        await agent.publish("_INBOX.other", b"never asked for")
        await asyncio.sleep(0)
        await agent.flush()
        await world.reader.flush()
        async with asyncio.timeout(WAIT_S):
            while len(got) < ANSWERS or len(refused) < 2:
                await asyncio.sleep(0.02)
    assert got == [str(number).encode() for number in range(ANSWERS)]
    assert refused == {("publish", "_inbox.many"), ("publish", "_inbox.other")}
