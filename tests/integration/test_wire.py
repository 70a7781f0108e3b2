"""Large answers in chunks and MessagePack, over a real server with its roles, a real coordinator and the real CLI."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.client import Mesh
from diagmesh.contract.chunks import CHUNK_HEADER, CHUNKED_LIMIT_BYTES, FROM_HEADER, MOST_CHUNKS
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.coding import ACCEPT_HEADER, CONTENT_TYPE_HEADER, MSGPACK
from diagmesh.contract.mesh import Ended
from support.blobs import KIB, Blob, BlobQuestion, blobs
from support.smallmesh import SmallMesh

INSTANCES = ("i1", "i2", "i3")
LARGE = BlobQuestion(kib=1500)
"""Three messages with what stands around it, or a few bytes less than that."""
PATIENT_S = 20.0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    with SmallMesh(tmp_path_factory.mktemp("mesh"), ("orders",)) as made:
        made.coordinator(more="deadline_s = 15.0")
        yield made


@pytest.fixture
async def mesh(small: SmallMesh) -> AsyncIterator[Mesh]:
    """A client of a mesh in which three instances answer as much as they are asked for."""
    async with blobs(small, "orders", *INSTANCES), Mesh.connect(url=small.url) as made:
        await live(made, len(INSTANCES))
        yield made


async def live(mesh: Mesh, count: int) -> None:
    """Wait until the directory has so many."""
    async with asyncio.timeout(PATIENT_S):
        while (await mesh.services()).live != count:
            await asyncio.sleep(0.05)


async def test_one_large_answer_is_whole(mesh: Mesh) -> None:
    one = await mesh.one(Blob, "orders", LARGE, instance="i1", timeout_s=PATIENT_S)
    assert one.where == "orders/i1"
    assert one.answer.text.endswith(f"{1500 * KIB // 16 - 1:016x}")
    assert len(one.answer.text) == 1500 * KIB


async def test_large_answers_of_many_come_mixed_and_are_told_apart(mesh: Mesh) -> None:
    stream = mesh.stream(Blob, LARGE, services=("orders",), timeout_s=PATIENT_S)
    heard = {one.where: one.answer async for one in stream}
    assert heard.keys() == {f"orders/{instance}" for instance in INSTANCES}
    assert len({answer.text for answer in heard.values()}) == 1
    assert (stream.ended, stream.silent, stream.unexpected) == (Ended.COMPLETE, (), ())


async def test_answers_that_together_would_flood_the_asker_all_come(mesh: Mesh, small: SmallMesh) -> None:
    """Together they are more than the server holds for a slow reader (64 MB)."""
    huge = BlobQuestion(kib=12 * KIB)
    async with blobs(small, "orders", *(f"h{number}" for number in range(4))):
        await live(mesh, len(INSTANCES) + 4)
        stream = mesh.stream(Blob, huge, services=("orders",), timeout_s=3 * PATIENT_S)
        sizes = [len(one.reply.answer) // KIB async for one in stream]  # type: ignore[arg-type]
        assert (stream.ended, stream.unexpected, sizes) == (Ended.COMPLETE, (), [12 * KIB] * 7)
    await live(mesh, len(INSTANCES))


async def test_a_coordinator_hands_large_answers_on(mesh: Mesh) -> None:
    result = await mesh.all(Blob, LARGE, services=("orders",), timeout_s=PATIENT_S)
    assert result.coordinator == "c1"
    assert [one.where for one in sorted(result.each, key=lambda one: one.where)] == [
        f"orders/{instance}" for instance in INSTANCES
    ]
    assert {len(one.answer.text) for one in result.each} == {1500 * KIB}


async def test_a_sum_without_room_for_chunks_says_what_it_left_out(mesh: Mesh) -> None:
    body = b'{"services":["orders"],"each":true,"kib":1500,"timeout_ms":15000}'
    reply = decode_reply((await mesh.bus.request("diag.mesh.blob", body, timeout_s=PATIENT_S)).data)
    total = msgspec.json.decode(reply.answer)  # type: ignore[arg-type]
    assert (total["answered"], total["each"]) == (3, None)
    assert any("the single replies" in note for note in total["notes"])


async def test_the_largest_answer_fits_what_a_role_may_send(mesh: Mesh) -> None:
    most = BlobQuestion(kib=CHUNKED_LIMIT_BYTES // KIB - 1)
    one = await mesh.one(Blob, "orders", most, instance="i2", timeout_s=PATIENT_S)
    assert len(one.answer.text) == most.kib * KIB
    beyond = await mesh.one(Blob, "orders", BlobQuestion(kib=most.kib + 2), instance="i2", timeout_s=PATIENT_S)
    assert beyond.problem is not None
    assert (beyond.problem.code, "in chunks" in beyond.problem.detail) == (413, True)


@pytest.mark.parametrize(
    "subject", ["diag.orders.blob.i1", "diag.mesh.blob", "diag.mesh.services", "diag.orders.nope.i1"]
)
async def test_everybody_answers_in_msgpack(mesh: Mesh, subject: str) -> None:
    body = b'{"each":true}' if subject == "diag.mesh.blob" else b""
    plain = await mesh.bus.request(subject, body, timeout_s=PATIENT_S)
    other = await mesh.bus.request(subject, body, timeout_s=PATIENT_S, headers={ACCEPT_HEADER: MSGPACK})
    assert other.headers is not None
    assert other.headers[CONTENT_TYPE_HEADER] == MSGPACK
    assert timeless(msgspec.msgpack.decode(other.data)) == timeless(msgspec.json.decode(plain.data))


async def test_a_server_that_takes_small_messages_gets_as_many_as_it_lets_a_role_send(tmp_path: Path) -> None:
    with SmallMesh(tmp_path, ("orders",), more_server="max_payload: 65536") as tight:
        async with blobs(tight, "orders", "i1"), Mesh.connect(url=tight.url) as mesh:
            most = BlobQuestion(kib=MOST_CHUNKS * 63 - 1)
            one = await mesh.one(Blob, "orders", most, timeout_s=PATIENT_S)
            assert len(one.answer.text) == most.kib * KIB
            beyond = await mesh.one(Blob, "orders", BlobQuestion(kib=most.kib + 1), timeout_s=PATIENT_S)
            assert beyond.problem is not None
            assert (beyond.problem.code, f"{64 * 63 * KIB} in chunks" in beyond.problem.detail) == (413, True)


async def test_a_question_in_msgpack_reaches_the_instances_through_a_coordinator(mesh: Mesh) -> None:
    body = msgspec.msgpack.encode({"services": ["orders"], "instances": ["i3"], "each": True, "kib": 2})
    headers = {CONTENT_TYPE_HEADER: MSGPACK}
    message = await mesh.bus.request("diag.mesh.blob", body, timeout_s=PATIENT_S, headers=headers)
    (one,) = msgspec.json.decode(message.data)["answer"]["each"]
    assert (one["instance"], len(one["answer"]["text"])) == ("i3", 2 * KIB)


async def test_chunks_are_in_order_and_name_their_sender(mesh: Mesh) -> None:
    got: list[Message] = []
    inbox = mesh.bus.open_inbox(got.append, lambda _: None)
    body = b'{"kib":1500,"chunks":true}'
    await mesh.bus.publish("diag.orders.blob.i1", body, reply=inbox.reply_to(0, "x"))
    async with asyncio.timeout(PATIENT_S):
        while len(got) < 3:
            await asyncio.sleep(0.02)
    headers = [one.headers or {} for one in got]
    assert [(one[CHUNK_HEADER], one[FROM_HEADER]) for one in headers] == [(f"{n}/3", "orders/i1") for n in (1, 2, 3)]
    assert decode_reply(b"".join(one.data for one in got)).instance == "i1"
    inbox.close()


async def test_the_nats_cli_prints_chunks_that_can_be_joined(mesh: Mesh, small: SmallMesh, nats_cli: Path) -> None:
    async def ask(body: str, *more: str) -> bytes:
        command: list[str | Path] = [
            nats_cli,
            "--server",
            small.url,
            "req",
            "diag.orders.blob.i1",
            body,
            "--raw",
            *more,
        ]
        done = await asyncio.to_thread(lambda: subprocess.run(command, capture_output=True, timeout=60, check=False))
        assert done.returncode == 0, done.stderr
        return done.stdout

    refused = msgspec.json.decode(await ask('{"kib":1500}'))["problem"]
    assert (refused["code"], '"chunks": true' in refused["hint"]) == (413, True)
    printed = await ask('{"kib":1500,"chunks":true}', "--replies=0", "--timeout=3s")
    whole: Any = msgspec.json.decode(printed.replace(b"\n", b""))
    assert len(whole["answer"]["text"]) == 1500 * KIB


def timeless(value: Any) -> Any:
    """Without what differs from one look to the next."""
    if isinstance(value, dict):
        passing = ("took_ms", "observed_at", "last_seen")
        return {name: timeless(one) for name, one in value.items() if name not in passing}
    if isinstance(value, list):
        return sorted(map(timeless, value), key=repr)
    return value
