"""Hedge, chunks, MessagePack, batches and labels at once: two coordinators, real servers, hostile members, too."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.nats import NatsBus
from diagmesh.client import Mesh
from diagmesh.contract.chunks import CHUNK_HEADER, DIGEST_HEADER, FROM_HEADER, ID_HEADER, SIZE_HEADER, cut
from diagmesh.contract.codec import encode
from diagmesh.contract.coding import ACCEPT_HEADER, MSGPACK
from diagmesh.contract.mesh import Ended
from diagmesh.contract.subjects import kind_of
from diagmesh.contract.wire import Status
from diagmesh.errors import BusError
from diagmesh.settings import NatsSettings
from support.blobs import KIB, Blob, BlobQuestion, blobs, looks
from support.crowd import reply
from support.programs import Program
from support.smallmesh import SmallMesh

LABELS: Final = {f"i{number}": {"zone": "ab"[number % 2], "tier": str(number)} for number in range(4)}
CHOSEN: Final = ("orders/i1", "orders/i3")
CAREFULLY: Final[dict[str, Any]] = {"services": ["orders"], "labels": "zone in (b), tier != 2, !canary", "batch": 1}
LARGE: Final = BlobQuestion(kib=700)
PATIENT_S: Final = 20.0
_CLI: Final = Path(sys.executable).with_name("diagmesh")


class Place(NamedTuple):
    """A mesh, its two coordinators, and a client of it."""

    small: SmallMesh
    coordinators: dict[str, Program]
    mesh: Mesh


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallMesh, dict[str, Program]]]:
    with SmallMesh(tmp_path_factory.mktemp("mesh"), ("orders", "payments")) as small:
        yield small, {name: small.coordinator(name, "deadline_s = 15.0") for name in ("c1", "c2")}


@pytest.fixture
async def place(pair: tuple[SmallMesh, dict[str, Program]]) -> AsyncIterator[Place]:
    small, coordinators = pair
    async with blobs(small, "orders", *LABELS, labels=LABELS), Mesh.connect(url=small.url) as mesh:
        await known(mesh, coordinators, len(LABELS))
        looks.clear()
        yield Place(small, coordinators, mesh)


async def known(mesh: Mesh, coordinators: dict[str, Program], count: int) -> None:
    """Wait until each coordinator has so many."""
    async with asyncio.timeout(PATIENT_S):
        for name in coordinators:
            while True:
                heard = await mesh.one("services", "mesh", instance=name, timeout_s=5.0)
                told = msgspec.json.decode(bytes(heard.reply.answer))  # type: ignore[arg-type]
                if (told["live"], told["ended"]) == (count, "complete"):
                    break
                await asyncio.sleep(0.1)


def all_whole(each: Any) -> None:
    assert sorted(one.where for one in each) == [*CHOSEN]
    assert all(len(one.answer.text) == 700 * KIB for one in each)


async def test_with_one_coordinator_frozen_a_careful_part_in_chunks_is_right_and_nothing_is_double(
    place: Place,
) -> None:
    frozen = place.coordinators["c1"]
    frozen.freeze()
    try:
        coordinators = set()
        for _ in range(6):
            looks.clear()
            result = await place.mesh.all(Blob, LARGE, timeout_s=PATIENT_S, **CAREFULLY)
            all_whole(result.each)
            assert (result.ended, result.answer.expected, result.answer.not_asked) == (Ended.COMPLETE, 2, ())
            assert looks == dict.fromkeys(CHOSEN, 2), "asked, and asked for chunks; nobody else, and nobody again"
            coordinators.add(result.coordinator)
        assert coordinators == {"c2"}
    finally:
        frozen.thaw()
    await known(place.mesh, place.coordinators, len(LABELS))


@pytest.mark.parametrize("numbers", [0, 200_000])
async def test_messagepack_in_chunks_of_a_careful_part_says_what_json_says(place: Place, numbers: int) -> None:
    body = encode({**CAREFULLY, "each": True, "chunks": True, "kib": 700, "numbers": numbers, "timeout_ms": 15_000})
    told: dict[str, Any] = {}
    for name, headers in (("json", {}), ("msgpack", {ACCEPT_HEADER: MSGPACK})):
        message = await place.mesh.bus.request("diag.mesh.blob", body, timeout_s=PATIENT_S, headers=headers)
        assert CHUNK_HEADER in (message.headers or {})
        told[name] = msgspec.json.decode(message.data) if name == "json" else msgspec.msgpack.decode(message.data)
    for one in told.values():
        assert {each["instance"] for each in one["answer"]["each"]} == {"i1", "i3"}
        one["answer"]["each"].sort(key=lambda each: each["instance"])
        for each in (one, *one["answer"]["each"]):
            for field in ("took_ms", "observed_at", "instance", "boot"):
                each.pop(field, None)
    assert told["json"] == told["msgpack"]


async def test_a_sum_that_fits_as_json_only_comes_shortened_as_messagepack(place: Place) -> None:
    """As JSON the single replies fit into one message; as MessagePack, which is twice as large here, they do not."""
    body = encode({**CAREFULLY, "each": True, "kib": 0, "numbers": 40_000, "timeout_ms": 15_000})
    plain = await place.mesh.bus.request("diag.mesh.blob", body, timeout_s=PATIENT_S)
    assert len(msgspec.json.decode(plain.data)["answer"]["each"]) == 2
    message = await place.mesh.bus.request(
        "diag.mesh.blob", body, timeout_s=PATIENT_S, headers={ACCEPT_HEADER: MSGPACK}
    )
    told = msgspec.msgpack.decode(message.data)
    assert told.get("problem") is None
    assert (told["answer"]["answered"], told["answer"]["each"]) == (2, None)
    assert any("the single replies" in note for note in told["answer"]["notes"])


async def test_ctrl_c_amid_it_all_ends_cleanly_and_keeps_what_came(place: Place) -> None:
    place.coordinators["c2"].freeze()
    try:
        words = ("ask", "blob", "orders", "--label", "zone=b", "--batch", "1", "--pause", "30s", "--set", "kib=700")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            _CLI, *words, "--timeout", "300", "--json", "--nats", place.small.url, stdout=pipe, stderr=pipe
        )
        talking = asyncio.create_task(process.communicate())
        async with asyncio.timeout(3 * PATIENT_S):
            while looks["orders/i1"] < 2:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)  # the chunks are on their way; Ctrl-C earlier would be right as well
            process.send_signal(signal.SIGINT)
            out, err = await talking
    finally:
        place.coordinators["c2"].thaw()
    answer = json.loads(out)["answer"]
    assert (process.returncode, b"Traceback" in err) == (130, False)
    assert (answer["ended"], answer["expected"], answer["silent"]) == ("interrupted", 2, [])
    assert [one["instance"] for one in answer["not_asked"]] == ["i3"]
    assert looks["orders/i3"] == 0


# --- members that do not play by the rules


class Odd:
    """A member in a role of the mesh that answers as the test says."""

    def __init__(self, bus: NatsBus, say: Callable[[NatsBus, Message], Awaitable[None]]) -> None:
        self._bus = bus
        self._say = say
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked = 0

    def take(self, message: Message) -> None:
        self.asked += 1
        task = asyncio.get_running_loop().create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Message) -> None:
        with contextlib.suppress(BusError):
            await self._say(self._bus, message)


@contextlib.asynccontextmanager
async def odd(
    small: SmallMesh, role: str, prefix: str, say: Callable[[NatsBus, Message], Awaitable[None]], *subjects: str
) -> AsyncIterator[Odd]:
    """Somebody with the key of a role; a subject of the queue group is given with ``@`` before it."""
    settings = NatsSettings(url=small.url, nkey_file=str(small.ring.seed_file(role)), inbox_prefix=prefix)
    bus = await NatsBus.connect(settings, "odd")
    one = Odd(bus, say)
    for subject in subjects:
        await bus.subscribe(subject.lstrip("@"), one.take, queue="diag" if subject.startswith("@") else "")
    await bus.barrier()
    try:
        yield one
    finally:
        await bus.close()


async def broken_chunks(bus: NatsBus, message: Message) -> None:
    data = encode(reply("mesh", "c0", kind=kind_of(message.subject), answer={"of": "blob"}))
    for part, headers in cut(data, 40, "x", "mesh/c0"):
        await bus.publish(message.reply, part, headers={**headers, SIZE_HEADER: str(len(data) - 1)})


async def test_a_coordinator_that_sends_rubbish_costs_nobody_an_answer(place: Place) -> None:
    subjects = ("@diag.mesh.*", "diag.mesh.*.c0")
    async with odd(place.small, "coordinator", "_INBOX_coord", broken_chunks, *subjects) as rubbish:
        rounds = 0
        while rounds < 12 or (not rubbish.asked and rounds < 60):  # whom the server picks is chance
            rounds += 1
            async with Mesh.connect(url=place.small.url) as fresh:  # it remembers nobody who helped
                result = await fresh.all(Blob, LARGE, timeout_s=PATIENT_S, **CAREFULLY)
                all_whole(result.each)
                assert result.coordinator in place.coordinators
        assert rubbish.asked > 0, "it was picked at least once of sixty times, or nothing was tried"


async def chunk_bomb(bus: NatsBus, message: Message) -> None:
    """As much as the role lets through: chunks of many replies that never become whole, in the names of others."""
    said = {SIZE_HEADER: str(16 * KIB * KIB), DIGEST_HEADER: "0" * 64, FROM_HEADER: "orders/i1"}
    for number in range(64):
        headers = {CHUNK_HEADER: f"{number % 3 + 1}/64", ID_HEADER: f"r{number // 2}", **said}
        await bus.publish(message.reply, b"x" * 400 * KIB, headers=headers)


async def lies_of_size(bus: NatsBus, message: Message) -> None:
    """Says that it has a large answer, whenever it is asked, and sends nothing of it."""
    hint = 'ask with {"chunks": true}'
    refusal = reply("payments", "p1", kind="blob", status=Status.FAILED)
    problem = {"code": 413, "error": "answer too large", "hint": hint}
    if b'"chunks":true' not in message.data:
        await bus.publish(message.reply, msgspec.json.encode(msgspec.to_builtins(refusal) | {"problem": problem}))


@pytest.mark.parametrize(("hostile", "chunks"), [(chunk_bomb, False), (chunk_bomb, True), (lies_of_size, False)])
async def test_a_hostile_sidecar_costs_no_other_service_its_answers(
    place: Place, hostile: Callable[[NatsBus, Message], Awaitable[None]], chunks: bool
) -> None:
    subjects = ("diag.payments.*.all", "diag.payments.*.p1")
    beat = encode({"v": 1, "boot": "b1", "n": 1, "interval_s": 30.0, "server": "s", "host": "h", "kinds": ["blob"]})
    async with odd(place.small, "agent-payments", "_INBOX_agent_payments", hostile, *subjects) as evil:
        await evil._bus.publish("diagev.hb.payments.p1", beat)
        await known(place.mesh, place.coordinators, len(LABELS) + 1)
        question = BlobQuestion(kib=700, chunks=chunks)
        # The hostile one never answers, so both last as long as they may.
        through = await place.mesh.all(Blob, question, timeout_s=PATIENT_S / 2)
        stream = place.mesh.stream(Blob, question, timeout_s=PATIENT_S / 2)
        direct = [one async for one in stream]
        for each in (through.each, direct):
            answered = [one for one in each if one.reply.status is Status.ANSWERED]
            assert sorted(one.where for one in answered) == [f"orders/{name}" for name in LABELS]
            assert all(len(one.answer.text) == 700 * KIB for one in answered)
        assert evil.asked
        bye = {**msgspec.json.decode(beat), "n": 2, "bye": True}
        await evil._bus.publish("diagev.hb.payments.p1", encode(bye))
        await known(place.mesh, place.coordinators, len(LABELS))
