"""Files of profiles that no reply held, piece by piece from the instances that keep them."""

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from diagmesh.client import Heard, Mesh
from diagmesh.contract.answers.profile import MOST_FILE_BYTES, Profile, ProfileQuestion, RawProfile
from diagmesh.contract.codec import encode
from diagmesh.errors import BusError, Refusal, Unreadable

__all__ = ["completed"]

_PIECE_S = 10.0


async def completed(mesh: Mesh, each: Iterable[Heard[Profile]]) -> list[Heard[Profile]]:
    """All replies, with the files that are still with their instances.

    Raises:
        Unreadable: a piece of one did not come, or they do not add up to it.
    """
    return [await _completed(mesh, one) for one in each]


async def _completed(mesh: Mesh, one: Heard[Profile]) -> Heard[Profile]:
    if one.problem is not None or not any(map(_is_there, one.answer.raw)):
        return one
    files = [replace(raw, data=await _whole(mesh, one, raw)) if _is_there(raw) else raw for raw in one.answer.raw]
    answer = msgspec.Raw(encode(replace(one.answer, raw=tuple(files))))
    return Heard(replace(one.reply, answer=answer), Profile, one.hedged)


def _is_there(raw: RawProfile) -> bool:
    """Whether its instance keeps it."""
    return bool(raw.kept_s) and not raw.data and 0 < raw.size_bytes <= MOST_FILE_BYTES


async def _whole(mesh: Mesh, one: Heard[Profile], raw: RawProfile) -> bytes:
    data = bytearray()
    while len(data) < raw.size_bytes:
        question = ProfileQuestion(file=raw.sha256, offset=len(data))
        try:
            piece = await mesh.one(
                Profile, one.reply.service, question, instance=one.reply.instance, timeout_s=_PIECE_S
            )
            (part,) = piece.answer.raw or (RawProfile(type="", size_bytes=0, sha256=""),)
        except (BusError, Refusal) as error:
            raise Unreadable(one.where, f"a piece of its file did not come: {error}", "ask again") from None
        if not part.data or part.offset != len(data):
            raise Unreadable(one.where, "another piece of its file came than was asked for", "ask again")
        data += part.data
    if hashlib.sha256(data).hexdigest() != raw.sha256:
        raise Unreadable(one.where, "the pieces of its file do not add up to it (SHA-256 differs)", "ask again")
    return bytes(data)
