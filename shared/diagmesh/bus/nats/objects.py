"""An object store of JetStream for files that no reply can carry, written over the bus itself (ADR-20).

The data of an object lies in pieces on ``$O.<bucket>.C.<id>``, what it is on ``$O.<bucket>.M.<name>``; ``nats object
get`` reads it. Nothing is read, changed or deleted here: that takes rights which no role of ours has, because whoever
may ask JetStream for a message may have it sent anywhere in his account.
"""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from diagmesh.bus.core import Bus
from diagmesh.errors import BusError, MessageTooLarge, NoAnswer, NoResponders, NotPermitted, StoreUnavailable

__all__ = ["BUNDLES", "Objects"]

BUNDLES: Final = "diag_bundles"
_WAIT_S: Final = 2.0
_PIECE_BYTES: Final = 128 * 1024
_HEADROOM_BYTES: Final = 4096
_AGE_S: Final = 86_400
_MOST_BYTES: Final = 128 * 1024 * 1024
_REPLICAS: Final = (3, 1)
_NOT_FOUND: Final = 10059
_IN_USE: Final = 10058
_TOO_FEW_SERVERS: Final = (10074, 10005)
_HINTS: Final = {
    10008: "JetStream has no quorum",
    10023: "the storage of JetStream is full",
    10047: f"JetStream has less storage left than the {_MOST_BYTES >> 20} MiB that the bucket reserves",
    10077: "the bucket is full",
    10002: "the storage of this account is full",
    10028: "the storage of this account is full",
}
_ABSENT: Final = (10039, 10076)
_NO_JETSTREAM: Final = "JetStream is not enabled here"


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _State(msgspec.Struct):
    bytes: int = 0


class _Config(msgspec.Struct):
    max_bytes: int = -1


class _Said(msgspec.Struct):
    """What the server answers, as far as we read it."""

    error: _Error | None = None
    config: _Config = msgspec.field(default_factory=_Config)
    state: _State = msgspec.field(default_factory=_State)


_said: Final = msgspec.json.Decoder(_Said)


class Objects:
    """A store of files, made when the first one is put there; each goes away by itself after a day.

    Args:
        bus: our connection.
        bucket: its name.
    """

    def __init__(self, bus: Bus, bucket: str = BUNDLES) -> None:
        self._bus = bus
        self._bucket = bucket
        self._stream = f"OBJ_{bucket}"

    async def put(self, name: str, data: bytes) -> str:
        """Keep a file under a name that nobody has used yet; every wait is bounded.

        Args:
            name: of the file; slashes are fine.
            data: all of it.

        Returns:
            ``bucket/name``: the reference for an answer.

        Raises:
            StoreUnavailable: with the reason; what was written of it goes away with its age.
        """

        async def whole() -> AsyncIterator[bytes]:
            yield data

        return await self.put_pieces(name, whole(), len(data))

    async def put_pieces(self, name: str, pieces: AsyncIterator[bytes], size_bytes: int) -> str:
        """The same for a file that comes piece by piece and is never in memory as a whole.

        Args:
            name: of the file.
            pieces: of any size.
            size_bytes: of all of them together.

        Raises:
            StoreUnavailable: likewise, and when they are not as many bytes as that.
        """
        said = await self._opened()
        most = said.config.max_bytes
        if 0 <= most < said.state.bytes + size_bytes + _HEADROOM_BYTES:
            # Before anything is written: half a file would take room, and be of no use.
            held = f"{said.state.bytes >> 20} of {most >> 20} MiB are taken"
            raise StoreUnavailable(f"the bucket {self._bucket} is full: {held}, and this has {size_bytes >> 10} KiB")
        identifier, size = secrets.token_hex(11), self._piece_bytes()
        digest, written, count = hashlib.sha256(), 0, 0
        async for piece in pieces:
            digest.update(piece)
            written += len(piece)
            for start in range(0, len(piece), size):
                await self._ask(f"$O.{self._bucket}.C.{identifier}", piece[start : start + size])
                count += 1
        if written != size_bytes:
            raise StoreUnavailable(f"{written:,} bytes came in place of {size_bytes:,}")
        told = self._told(name, written, digest.digest(), identifier, count)
        encoded = base64.urlsafe_b64encode(name.encode()).decode()
        await self._ask(f"$O.{self._bucket}.M.{encoded}", msgspec.json.encode(told), {"Nats-Rollup": "sub"})
        return f"{self._bucket}/{name}"

    def _piece_bytes(self) -> int:
        return max(1024, min(_PIECE_BYTES, self._bus.max_payload - _HEADROOM_BYTES))

    def _told(self, name: str, size: int, digest: bytes, identifier: str, pieces: int) -> dict[str, Any]:
        return {
            "name": name,
            "bucket": self._bucket,
            "nuid": identifier,
            "size": size,
            "mtime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "chunks": pieces,
            "digest": f"SHA-256={base64.urlsafe_b64encode(digest).decode()}",
            "options": {"max_chunk_size": self._piece_bytes()},
        }

    async def _opened(self) -> _Said:
        """The stream as it is; made where it is missing."""
        said = await self._sent(f"$JS.API.STREAM.INFO.{self._stream}", b"")
        if said.error is None or said.error.err_code != _NOT_FOUND:
            return _checked(said)
        for replicas in _REPLICAS:
            wanted = msgspec.json.encode(self._wanted(replicas))
            said = await self._sent(f"$JS.API.STREAM.CREATE.{self._stream}", wanted)
            if said.error is None or said.error.err_code not in _TOO_FEW_SERVERS:
                break
        if said.error is not None and said.error.err_code == _IN_USE:  # somebody else was a moment faster
            said = await self._sent(f"$JS.API.STREAM.INFO.{self._stream}", b"")
        return _checked(said)

    def _wanted(self, replicas: int) -> dict[str, Any]:
        return {
            "name": self._stream,
            "description": "diagmesh: files that no reply can carry",
            "subjects": [f"$O.{self._bucket}.C.>", f"$O.{self._bucket}.M.>"],
            "storage": "file",
            "num_replicas": replicas,
            "max_bytes": _MOST_BYTES,
            "max_age": _AGE_S * 1_000_000_000,
            "discard": "new",
            "allow_rollup_hdrs": True,
            "allow_direct": True,
            "metadata": {"made_by": "diagmesh"},
        }

    async def _ask(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> _Said:
        return _checked(await self._sent(subject, data, headers))

    async def _sent(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> _Said:
        try:
            message = await self._bus.request(subject, data, timeout_s=_WAIT_S, headers=headers)
            return _said.decode(message.data)
        except NoResponders:
            raise StoreUnavailable(_NO_JETSTREAM, absent=True) from None
        except NotPermitted as error:
            raise StoreUnavailable(str(error), absent=True) from None
        except NoAnswer:
            raise StoreUnavailable(f"JetStream did not answer within {_WAIT_S:g} s (no quorum, perhaps)") from None
        except (MessageTooLarge, BusError) as error:
            raise StoreUnavailable(str(error)) from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise StoreUnavailable("an answer came that is none of JetStream") from None


def _checked(said: _Said) -> _Said:
    if said.error is None:
        return said
    code, words = said.error.err_code, said.error.description
    if code in _ABSENT:
        raise StoreUnavailable(_NO_JETSTREAM, absent=True)
    hint = _HINTS.get(code)
    raise StoreUnavailable(f"{hint}: {words} ({code})" if hint else f"JetStream refuses: {words} ({code})")
