"""Files are put away only where the answer would not fit otherwise; what cannot be put away is told, and why."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import pytest

from diagmesh.contract.answers.profile import Profile, RawProfile
from diagmesh.contract.codec import encode
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.wire import Reply, Status
from diagmesh.errors import StoreUnavailable
from diagmesh_coordinator.bundles import Away, put_away

FILE: Final = RawProfile(type="heap", size_bytes=3000, sha256="ab", data=b"x" * 3000)


class Shelf:
    """Keeps files in a dictionary; an exception is raised in place of that."""

    def __init__(self, trouble: Exception | None = None, *, for_ever: bool = False) -> None:
        self.files: dict[str, bytes] = {}
        self._trouble, self._for_ever = trouble, for_ever

    async def put(self, name: str, data: bytes) -> str:
        if self._trouble is not None:
            raise self._trouble
        if self._for_ever:
            await asyncio.Event().wait()
        self.files[name] = data
        return f"bucket/{name}"

    async def put_pieces(self, name: str, pieces: AsyncIterator[bytes], size_bytes: int) -> str:
        data = b"".join([piece async for piece in pieces])
        assert len(data) == size_bytes
        return await self.put(name, data)


async def kept(reply: Reply, file: RawProfile) -> AsyncIterator[bytes]:
    """What an instance keeps."""
    for at in range(0, file.size_bytes, 1000):
        yield f"{reply.instance}:".encode().ljust(min(1000, file.size_bytes - at), b".")


def reply(answer: object, instance: str = "i1") -> Reply:
    raw = msgspec.Raw(encode(answer))
    return Reply(v=1, service="orders", instance=instance, kind="profile", status=Status.ANSWERED, answer=raw)


def total(*each: Reply) -> MeshAnswer:
    return MeshAnswer(of="profile", expected=len(each), answered=len(each), each=each)


HEAP: Final = total(reply(Profile(heap_bytes=7, raw=(FILE,))))


def raws(answer: MeshAnswer) -> list[RawProfile]:
    assert answer.each is not None
    profiles = [msgspec.json.decode(one.answer, type=Profile) for one in answer.each]  # type: ignore[arg-type]  # raw
    return [raw for one in profiles for raw in one.raw]


async def test_what_fits_is_left_alone() -> None:
    shelf = Shelf()
    for answer, kind, limit in (
        (HEAP, "profile", 1 << 20),
        (HEAP, "health", 100),
        (total(), "profile", 1),
        (msgspec.structs.replace(HEAP, each=None), "profile", 1),
    ):
        assert await put_away(answer, kind, Away(shelf, kept, 1.0), limit) is answer
    assert shelf.files == {}


@pytest.mark.parametrize("msgpack", [False, True])
async def test_what_does_not_fit_is_put_away_and_the_rest_stays(msgpack: bool) -> None:
    shelf = Shelf()
    two = total(*(HEAP.each or ()), reply(Profile(raw=(FILE, RawProfile(type="cpu", size_bytes=9, sha256="c"))), "i2"))
    said = await put_away(two, "profile", Away(shelf, kept, 1.0), 2000, msgpack=msgpack)
    assert set(shelf.files.values()) == {FILE.data}
    assert [(one.type, one.data, one.object.partition("-")[0]) for one in raws(said)] == [
        ("heap", b"", "bucket/orders/i1/heap"),
        ("heap", b"", "bucket/orders/i2/heap"),
        ("cpu", b"", ""),
    ]
    assert {one.object for one in raws(said) if one.object} == {f"bucket/{name}" for name in shelf.files}
    assert said.each is not None
    assert msgspec.json.decode(said.each[0].answer, type=Profile).heap_bytes == 7  # type: ignore[arg-type]  # raw
    assert "nats object get" in said.notes[0]


KEPT: Final = RawProfile(type="heap", size_bytes=3000, sha256="ab", kept_s=300)


async def test_what_its_instance_keeps_comes_into_the_answer_where_there_is_room() -> None:
    shelf = Shelf()
    two = total(reply(Profile(raw=(KEPT,))), reply(Profile(raw=(KEPT,)), "i2"))
    said = await put_away(two, "profile", Away(shelf, kept, 1.0), 5500)
    (first, second) = raws(said)
    assert (first.data[:3], len(first.data), first.kept_s, first.object) == (b"i1:", 3000, 0, "")
    assert (second.data, second.kept_s) == (b"", 300), "the second one fits no more"
    assert shelf.files[second.object.removeprefix("bucket/")].startswith(b"i2:")
    assert "nats object get" in said.notes[0]


@pytest.mark.parametrize("shelf", [None, Shelf(StoreUnavailable("JetStream is not enabled"))], ids=["off", "lacks"])
async def test_what_goes_nowhere_stays_with_its_instance_and_how_to_get_it_is_told(shelf: Shelf | None) -> None:
    one = total(reply(Profile(raw=(KEPT,))))
    said = await put_away(one, "profile", Away(shelf, kept, 1.0), 2000)
    assert said.each == one.each
    (note,) = said.notes
    assert '"offset": 0' in note


async def test_an_answer_that_cannot_be_read_here_is_handed_on() -> None:
    odd = total(reply({"raw": "another form", "more": "x" * 3000}))
    assert (await put_away(odd, "profile", Away(Shelf(), kept, 1.0), 2000)).each == odd.each


@pytest.mark.parametrize(
    ("shelf", "left_s", "words"),
    [
        (None, 1.0, "no object store is used"),
        (Shelf(StoreUnavailable("the bucket is full")), 1.0, "the bucket is full"),
        (Shelf(for_ever=True), 0.05, "no time was left"),
        (Shelf(for_ever=True), -1.0, "no time was left"),
    ],
    ids=["off", "full", "slow", "late"],
)
async def test_what_cannot_be_put_away_is_told(shelf: Shelf | None, left_s: float, words: str) -> None:
    said = await put_away(HEAP, "profile", Away(shelf, kept, left_s), 2000)
    assert said.each == HEAP.each
    assert words in said.notes[0]
    assert '"chunks": true' in said.notes[0]
