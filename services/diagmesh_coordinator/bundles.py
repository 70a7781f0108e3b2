"""Files of single replies that do not fit into one message go to an object store, and the answer says where."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from diagmesh.contract.answers.profile import Profile, RawProfile
from diagmesh.contract.codec import encode
from diagmesh.contract.coding import coded
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.wire import Reply
from diagmesh.errors import StoreUnavailable

__all__ = ["Shelf", "put_away"]

_KIND: Final = kind_of_type(Profile)
_FIX: Final = 'ask with "chunks": true, or one instance at a time'
_READ: Final = "files that did not fit are in an object store: nats object get BUCKET NAME, as a user who may read it"


class Shelf(Protocol):
    """Where files can be put (`diagmesh.bus.nats.objects.Objects`)."""

    async def put(self, name: str, data: bytes) -> str:
        """Keep a file; returns the reference.

        Raises:
            StoreUnavailable: with the reason.
        """
        ...


async def put_away(
    total: MeshAnswer, kind: str, shelf: Shelf | None, limit_bytes: int, left_s: float, *, msgpack: bool = False
) -> MeshAnswer:
    """The sum with references in place of files, where it would not fit into one reply otherwise.

    Args:
        total: with the single replies.
        kind: of the answers.
        shelf: where files go; None for nowhere.
        limit_bytes: the most that the sum may have.
        left_s: the time left for that.
        msgpack: how the sum is coded.
    """
    if kind != _KIND or not total.each or len(coded(total, msgpack=msgpack)) <= limit_bytes:
        return total
    if shelf is None:
        return _noted(total, f"no object store is used (registry is off); {_FIX}")
    try:
        async with asyncio.timeout(max(0.0, left_s)):
            each = [one async for one in _put(total.each, shelf)]
    except StoreUnavailable as why:
        return _noted(total, f"no file was put into an object store: {why}; {_FIX}")
    except TimeoutError:
        return _noted(total, f"no time was left to put files into an object store; {_FIX}")
    return _noted(replace(total, each=tuple(each)), _READ)


def _noted(total: MeshAnswer, note: str) -> MeshAnswer:
    return replace(total, notes=(*total.notes, note))


async def _put(replies: tuple[Reply, ...], shelf: Shelf) -> AsyncIterator[Reply]:
    for reply in replies:
        yield await _without_files(reply, shelf)


async def _without_files(reply: Reply, shelf: Shelf) -> Reply:
    if not isinstance(reply.answer, msgspec.Raw):
        return reply
    try:
        answer = msgspec.json.decode(reply.answer, type=Profile)
    except (msgspec.DecodeError, RecursionError):
        return reply  # of a newer agent, perhaps
    raw = [await _elsewhere(one, reply, shelf) for one in answer.raw]
    return replace(reply, answer=msgspec.Raw(encode(replace(answer, raw=tuple(raw)))))


async def _elsewhere(file: RawProfile, reply: Reply, shelf: Shelf) -> RawProfile:
    if not file.data:
        return file
    name = (
        f"{reply.service}/{reply.instance}/{file.type}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.pb.gz"
    )
    return replace(file, data=b"", object=await shelf.put(name, file.data))
