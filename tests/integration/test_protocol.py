"""The protocol in another language: the Go client asks a real mesh, and a Go agent is a member of it like any other."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from jsonschema import Draft202012Validator

from diagmesh.client import Mesh
from diagmesh.contract.directory import InstanceState
from diagmesh_cli.commands.schema import wire_schemas
from support.golang import Go, GoMissing, without
from support.house import ROOT
from support.programs import Program
from support.smallmesh import HEARTBEAT_S, SmallMesh

SOURCE: Final = ROOT / "deploy/protocol/go"
KIB: Final = 1024
PATIENT_S: Final = 20.0


class Printed(NamedTuple):
    """What the Go client printed: its replies, its words, its exit code."""

    replies: list[dict[str, Any]]
    words: str
    code: int


class Place:
    """A mesh with a sidecar (orders/i1), a Go agent (orders/g1) and a coordinator, and the Go client."""

    def __init__(self, small: SmallMesh, programs: Path) -> None:
        self.small = small
        self._programs = programs

    def agent(self, service: str, instance: str, heartbeat_s: float = HEARTBEAT_S) -> Program:
        """A Go agent in the role of the sidecars of a service."""
        role = ("-nkey", self.small.ring.seed_file(f"agent-{service}"), "-inbox-prefix", f"_INBOX_agent_{service}")
        who = ("-service", service, "-instance", instance, "-interval", f"{heartbeat_s}s")
        command: list[str | Path] = [self._programs / "agent", "-url", self.small.url, *role, *who]
        return self.small.program(command, f"go-{service}-{instance}")

    def run(self, *words: str, wait: str = "10s") -> subprocess.CompletedProcess[bytes]:
        command: list[str | Path] = [self._programs / "ask", "-url", self.small.url, "-wait", wait, *words]
        return subprocess.run(command, capture_output=True, timeout=60, check=False)

    def ask(self, *words: str, wait: str = "10s") -> Printed:
        """What the Go client makes of a question."""
        done = self.run(*words, wait=wait)
        return Printed(
            [msgspec.json.decode(line) for line in done.stdout.splitlines()], done.stderr.decode(), done.returncode
        )


@pytest.fixture(scope="module")
def programs(go: Go) -> Path:
    try:
        return go.programs("protocol", SOURCE, "./cmd/...")
    except GoMissing as error:
        without(error)


@pytest.fixture(scope="module")
def place(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with SmallMesh(tmp_path_factory.mktemp("mesh")) as small:
        made = Place(small, programs)
        small.sidecar("orders", "i1")
        made.agent("orders", "g1")
        small.coordinator(more="deadline_s = 15.0")
        yield made


@pytest.fixture
async def mesh(place: Place) -> AsyncIterator[Mesh]:
    """The Python client of the same mesh, once the Go agent is known."""
    async with Mesh.connect(url=place.small.url) as made:
        await states(made, "orders", {"g1": InstanceState.LIVE, "i1": InstanceState.LIVE})
        yield made


async def states(mesh: Mesh, service: str, wanted: dict[str, InstanceState]) -> None:
    """Wait until the directory says this of the instances of a service."""
    seen: dict[str, InstanceState] = {}
    async with asyncio.timeout(PATIENT_S):
        while seen != wanted:
            entries = (await mesh.services()).services
            seen = {one.instance: one.state for entry in entries if entry.service == service for one in entry.instances}
            await asyncio.sleep(0.05)


def fits(name: str, value: Any) -> None:
    Draft202012Validator(wire_schemas()[name]).validate(value)


def test_its_own_tests_pass(go: Go) -> None:
    go.judge(SOURCE)


async def test_the_commands_of_the_page_work(mesh: Mesh, place: Place) -> None:
    page = (SOURCE.parent / "README.md").read_text(encoding="utf-8")
    commands = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^\./ask .*", page, re.MULTILINE)]
    assert len(commands) == 4
    for words in commands:
        flags = words[: words.index(">")] if ">" in words else words
        done = place.run(*flags)
        # The Go agent has no health, and may be the one that is picked.
        assert done.returncode == 0 or b"404 unknown kind" in done.stderr, (words, done.stderr)
        assert done.stdout


async def test_one(mesh: Mesh, place: Place) -> None:
    said = place.ask("one", "diag.orders.health.i1")
    (one,) = said.replies
    assert (one["service"], one["instance"], one["kind"], one["status"]) == ("orders", "i1", "health", "answered")
    assert (one["answer"]["state"], said.code, said.words) == ("up", 0, "")
    fits("health.reply", one)


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("one", "diag.orders.wealth.i1"), 404, "unknown kind"),
        (("one", "diag.orders.wealth.g1"), 404, "unknown kind"),
        (("one", "diag.orders.health.i1", '{"window_s": "long"}'), 400, "bad request"),
        (("one", "diag.orders.process.g1", '{"colour": 1}'), 400, "bad request"),
        (("one", "diag.orders.process.g1", '{"pad_kib": 20000}'), 413, "answer too large"),
        (("one", "diag.orders.process.g1", '{"pad_kib": 600, "chunks": false}'), 413, "answer too large"),
        (("mesh", "health", '{"services": ["nobody"]}'), 404, "unknown target"),
    ],
)
async def test_a_refusal_is_an_error(mesh: Mesh, place: Place, words: tuple[str, ...], code: int, error: str) -> None:
    said = place.ask(*words)
    assert (said.code, f"{code} {error}" in said.words) == (1, True)
    for reply in said.replies:
        assert (reply["problem"]["code"], reply["problem"]["error"]) == (code, error)
        assert reply["status"] == ("failed" if error == "answer too large" else "declined")
        fits("reply", reply)


async def test_nobody_is_told_at_once(mesh: Mesh, place: Place) -> None:
    said = place.ask("one", "diag.nobody.health")
    assert (said.code, said.replies) == (2, [])
    assert "diag.nobody.health: nobody listens" in said.words


async def test_all_members_of_either_language_answer_all_askers(mesh: Mesh, place: Place) -> None:
    said = place.ask("all", "orders", "process")
    heard = {one["instance"]: one["status"] for one in said.replies}
    assert (heard, said.code, said.words) == ({"g1": "answered", "i1": "declined"}, 0, "")
    result = await mesh.all("process", services=("orders",), timeout_s=PATIENT_S)
    assert {one.reply.instance: one.reply.status.value for one in result.each} == heard
    assert result.answer.expected == 2


async def test_a_sum(mesh: Mesh, place: Place) -> None:
    (total,) = place.ask("mesh", "process", '{"services": ["orders"], "each": true}').replies
    assert (total["expected"], total["answered"], total["ended"]) == (2, 2, "complete")
    assert total["by_status"] == {"answered": 1, "declined": 1}
    assert sorted(one["instance"] for one in total["each"]) == ["g1", "i1"]


@pytest.mark.parametrize("words", [("one", "diag.orders.process.g1"), ("all", "orders", "process")])
async def test_a_large_answer_in_chunks_is_whole(mesh: Mesh, place: Place, words: tuple[str, ...]) -> None:
    said = place.ask(*words, '{"pad_kib": 1500}')
    (one,) = (one for one in said.replies if one["instance"] == "g1")
    assert one["answer"]["pad"] == "0123456789abcdef" * (1500 * KIB // 16)
    assert said.code == 0


async def test_a_large_answer_of_the_go_agent_reaches_python_and_a_coordinator(mesh: Mesh, place: Place) -> None:
    (total,) = place.ask("mesh", "process", '{"instances": ["orders/g1"], "each": true, "pad_kib": 1500}').replies
    (one,) = total["each"]
    assert len(one["answer"]["pad"]) == 1500 * KIB
    result = await mesh.all("process", instances=("orders/g1",), timeout_s=PATIENT_S)
    assert result.each[0].answer["goroutines"] > 1


async def test_msgpack_is_what_any_library_reads(mesh: Mesh, place: Place) -> None:
    done = place.run("-msgpack", "one", "diag.orders.health.i1")
    assert (done.returncode, done.stderr) == (0, b"application/msgpack\n")
    reply = msgspec.msgpack.decode(done.stdout)
    assert reply["answer"]["state"] == "up"
    fits("health.reply", reply)


async def test_the_go_agent_says_what_the_schemas_say(mesh: Mesh) -> None:
    beats: asyncio.Queue[bytes] = asyncio.Queue()
    ending = await mesh.bus.subscribe("diagev.hb.orders.g1", lambda message: beats.put_nowait(message.data))
    async with asyncio.timeout(PATIENT_S):
        beat = msgspec.json.decode(await beats.get())
    await ending.unsubscribe()
    fits("heartbeat", beat)
    assert (beat["kinds"], beat["server"]) == (["process"], "small-mesh")
    message = await mesh.bus.request("diag.orders.process.g1", timeout_s=PATIENT_S)
    fits("reply", msgspec.json.decode(message.data))
    refused = await mesh.bus.request("diag.orders.wealth.g1", timeout_s=PATIENT_S)
    assert refused.headers is not None
    assert refused.headers["Nats-Service-Error-Code"] == "404"


async def test_a_go_agent_comes_hangs_and_leaves_as_any(mesh: Mesh, place: Place) -> None:
    agent = place.agent("payments", "g2", heartbeat_s=20.0)  # it is not lost before it is asked, however late that is
    await states(mesh, "payments", {"g2": InstanceState.LIVE})
    agent.freeze()
    silent = await asyncio.to_thread(place.ask, "all", "payments", "process", wait="3s")
    assert (silent.code, silent.replies) == (2, [])
    assert "payments/g2: silent" in silent.words
    os.kill(agent.pid, signal.SIGCONT)
    agent.send(signal.SIGTERM)
    assert await agent.ended(PATIENT_S) == 0
    await states(mesh, "payments", {})
