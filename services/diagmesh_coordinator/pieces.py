"""A file that an instance keeps because no reply holds it, piece by piece; never in memory as a whole."""

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from diagmesh.bus.core import Bus
from diagmesh.contract.answers.profile import Profile, ProfileQuestion, RawProfile
from diagmesh.contract.codec import decode_reply, encode
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.subjects import ask_instance
from diagmesh.contract.wire import Reply
from diagmesh.errors import BusError, StoreUnavailable, Unreadable
from diagmesh.gather import agent_budget_ms

__all__ = ["Fetch", "fetching"]

_KIND: Final = kind_of_type(Profile)
_WAIT_S: Final = 5.0
"""For each piece."""

Fetch = Callable[[Reply, RawProfile], AsyncIterator[bytes]]
"""The pieces of a file that the sender of a reply keeps."""


def fetching(bus: Bus) -> Fetch:
    """How files are fetched over this connection."""

    async def pieces(reply: Reply, file: RawProfile) -> AsyncIterator[bytes]:
        """Raises `StoreUnavailable` when one does not come, or they are not what was announced."""
        digest, offset = hashlib.sha256(), 0
        while offset < file.size_bytes:
            data = await _piece(bus, reply, file, offset)
            digest.update(data)
            offset += len(data)
            yield data
        if offset != file.size_bytes or digest.hexdigest() != file.sha256:
            raise StoreUnavailable(f"the pieces of the file of {_where(reply)} do not add up to it")

    return pieces


async def _piece(bus: Bus, reply: Reply, file: RawProfile, offset: int) -> bytes:
    question = ProfileQuestion(file=file.sha256, offset=offset, chunks=True, timeout_ms=agent_budget_ms(_WAIT_S))
    subject = ask_instance(reply.service, _KIND, reply.instance)
    try:
        message = await bus.request(subject, encode(question), timeout_s=_WAIT_S)
        said = decode_reply(message.data)
        answer = msgspec.json.decode(said.answer, type=Profile) if isinstance(said.answer, msgspec.Raw) else Profile()
    except (BusError, Unreadable, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"a piece of the file of {_where(reply)} did not come: {error}") from None
    (one,) = answer.raw if len(answer.raw) == 1 else (None,)
    if one is None or not one.data or (one.sha256, one.offset) != (file.sha256, offset):
        why = said.problem.detail if said.problem is not None else "another one came"
        raise StoreUnavailable(f"a piece of the file of {_where(reply)} did not come: {why}")
    return one.data


def _where(reply: Reply) -> str:
    return f"{reply.service}/{reply.instance}"
