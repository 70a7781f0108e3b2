"""Files of single replies that do not fit into one message go to an object store, and the answer says where."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from diagmesh.contract.answers.profile import MOST_FILE_BYTES, Profile, RawProfile
from diagmesh.contract.codec import encode
from diagmesh.contract.coding import coded
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.wire import Reply
from diagmesh.errors import StoreUnavailable
from diagmesh_coordinator.pieces import Fetch

__all__ = ["Away", "Shelf", "put_away"]

_KIND: Final = kind_of_type(Profile)
_FIX: Final = 'ask with "chunks": true, or one instance at a time'
_READ: Final = "files that did not fit are in an object store: nats object get BUCKET NAME, as a user who may read it"
_PIECES: Final = (
    'files with kept_s are still with their instances: ask there, {"file": SHA256, "offset": 0}, then on from there'
)
_KEPT: Final = b'"kept_s"'
_BASE64: Final = 1.34
"""What a file takes in JSON."""


class Shelf(Protocol):
    """Where files can be put (`diagmesh.bus.nats.objects.Objects`)."""

    async def put(self, name: str, data: bytes) -> str:
        """Keep a file; returns the reference.

        Raises:
            StoreUnavailable: with the reason.
        """
        ...

    async def put_pieces(self, name: str, pieces: AsyncIterator[bytes], size_bytes: int) -> str:
        """Keep one that comes piece by piece; returns the reference.

        Raises:
            StoreUnavailable: with the reason.
        """
        ...


class Away:
    """Where files of one sum go, and how those are had that no reply could hold.

    Args:
        shelf: None for nowhere.
        fetch: the pieces of a file that its instance keeps.
        left_s: the time left for all of it.
    """

    def __init__(self, shelf: Shelf | None, fetch: Fetch, left_s: float) -> None:
        self.shelf, self.fetch, self.left_s = shelf, fetch, left_s


async def put_away(total: MeshAnswer, kind: str, away: Away, limit_bytes: int, *, msgpack: bool = False) -> MeshAnswer:
    """The sum with references in place of files, where it would not fit into one reply otherwise.

    Args:
        total: with the single replies.
        kind: of the answers.
        away: where files go.
        limit_bytes: the most that the sum may have.
        msgpack: how the sum is coded.
    """
    if kind != _KIND or not total.each:
        return total
    room = limit_bytes - len(coded(total, msgpack=msgpack))
    kept = any(isinstance(one.answer, msgspec.Raw) and _KEPT in bytes(one.answer) for one in total.each)
    if room >= 0 and not kept:
        return total
    settling = _Settling(away, room)
    done = list[Reply]()
    try:
        async with asyncio.timeout(max(0.0, away.left_s)):
            for reply in total.each:
                done.append(await settling.settled(reply))
    except TimeoutError:
        settling.why.append("no time was left to put files into an object store")
    return replace(total, each=(*done, *total.each[len(done) :]), notes=(*total.notes, *settling.notes(kept=kept)))


class _Settling:
    """Puts files away one by one: into the answer where there is room, else into the store.

    Args:
        away: where they go.
        room: bytes that the answer has left; below 0 all files leave it.
    """

    def __init__(self, away: Away, room: int) -> None:
        self._away, self._room, self._spills = away, room, room < 0
        self._put = False
        self.why: list[str] = []

    def notes(self, *, kept: bool) -> tuple[str, ...]:
        """What to do about it."""
        told = [_READ] if self._put else []
        fix = f"{_PIECES}; or {_FIX}" if kept else _FIX
        return (*told, *(f"{why}; {fix}" for why in self.why[:1]))

    async def settled(self, reply: Reply) -> Reply:
        """The reply with its files where they can be had; as it was where that fails, and why is noted."""
        if not isinstance(reply.answer, msgspec.Raw):
            return reply
        try:
            answer = msgspec.json.decode(reply.answer, type=Profile)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return reply  # of a newer agent, perhaps
        try:
            raw = [await self._file(one, reply) for one in answer.raw]
        except StoreUnavailable as why:
            self.why.append(f"a file was not put into an object store: {why}")
            return reply
        return replace(reply, answer=msgspec.Raw(encode(replace(answer, raw=tuple(raw)))))

    async def _file(self, file: RawProfile, reply: Reply) -> RawProfile:
        if not file.data and not (file.kept_s and 0 < file.size_bytes <= MOST_FILE_BYTES):
            return file
        if self._spills:
            return await self._shelved(file, reply)
        if file.data:
            return file
        needs = _BASE64 * file.size_bytes
        if needs > self._room:
            return await self._shelved(file, reply)
        self._room -= int(needs)
        pieces = [piece async for piece in self._away.fetch(reply, file)]
        return replace(file, data=b"".join(pieces), kept_s=0)

    async def _shelved(self, file: RawProfile, reply: Reply) -> RawProfile:
        if self.why:
            raise StoreUnavailable("it failed before")  # nobody waits for the same trouble again and again
        shelf = self._away.shelf
        if shelf is None:
            raise StoreUnavailable("no object store is used (registry is off)")
        at = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        name = f"{reply.service}/{reply.instance}/{file.type}-{at}.pb.gz"
        if file.data:
            where = await shelf.put(name, file.data)
        else:
            where = await shelf.put_pieces(name, self._away.fetch(reply, file), file.size_bytes)
        self._put = True
        return replace(file, data=b"", object=where)
