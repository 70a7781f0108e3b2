"""A key-value bucket of JetStream, asked over the bus itself: its inbox, its refusals, never late.

The client library's own calls would need one client for good, answer into an inbox that our roles may not use, and
wait out a refusal. What is asked here is the API of the server (ADR-8, ADR-31, ADR-43; nats-server 2.11 or later): a
value is a message on ``$KV.<bucket>.<key>``, and only the last one of a subject is kept.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from diagmesh.bus.core import Bus, Entry, Message
from diagmesh.errors import (
    BusError,
    MessageTooLarge,
    NoAnswer,
    NoResponders,
    NotPermitted,
    StoreConflict,
    StoreUnavailable,
)

__all__ = ["Bucket"]

_WAIT_S: Final = 2.0
_BATCH: Final = 256
_MOST_BATCHES: Final = 1024
_MOST_BYTES: Final = 32 * 1024 * 1024
_MOST_VALUES: Final = 20_000
_VALUE_BYTES: Final = 16 * 1024
_MOST_REPLICAS: Final = 3
_OURS: Final = {"made_by": "diagmesh"}

_NOT_FOUND: Final = 10059
_IN_USE: Final = 10058
_CONFLICT: Final = 10071
_NOT_ENABLED: Final = (10039, 10076)
_TOO_FEW_SERVERS: Final = (10074, 10005)
"""The server is alone, or the cluster has not so many that could take a copy."""
_HINTS: Final = {
    10008: "JetStream has no quorum",
    10023: "the storage of JetStream is full",
    10047: f"JetStream has less storage left than the {_MOST_BYTES // 1024**2} MiB that the bucket reserves",
    10077: "the bucket is full",
    10002: "the storage of this account is full",
    10028: "the storage of this account is full",
}
_UNREADABLE: Final = "an answer came that is none of JetStream"
_UNREADABLE_BATCH: Final = "the server's answer cannot be read: is it nats-server 2.11 or later?"
_NO_JETSTREAM: Final = "JetStream is not enabled here"
_NO_STREAM: Final = "nobody takes what is written (the bucket is gone, or its stream has no leader)"


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Cluster(msgspec.Struct):
    name: str = ""


class _Config(msgspec.Struct):
    """What we look at of the settings of a stream; all of them are sent back."""

    allow_direct: bool = False
    allow_msg_ttl: bool = False
    num_replicas: int = 1
    metadata: dict[str, Any] | None = None


class _Said(msgspec.Struct):
    """What the API answers, as far as we read it."""

    error: _Error | None = None
    config: dict[str, Any] = {}
    cluster: _Cluster | None = None
    created: str = ""
    seq: int = 0


_said: Final = msgspec.json.Decoder(_Said)


class Bucket:
    """Implements `diagmesh.bus.core.Store` on JetStream.

    Args:
        bus: our connection.
        name: of the bucket.
    """

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."

    async def open(self) -> str:
        """See `diagmesh.bus.core.Store.open`."""
        said = await self._api("STREAM.INFO", b"")
        if said.error is not None and said.error.err_code == _NOT_FOUND:
            said = await self._create()
            if said.error is not None and said.error.err_code == _IN_USE:  # somebody else was a moment faster
                said = await self._api("STREAM.INFO", b"")
        _check(said)
        await self._mend(said)
        return said.created

    async def _create(self) -> _Said:
        said = _Said()
        for replicas in range(_MOST_REPLICAS, 0, -1):
            said = await self._api("STREAM.CREATE", msgspec.json.encode(self._wanted(replicas)))
            if said.error is None or said.error.err_code not in _TOO_FEW_SERVERS:
                break
        return said

    def _wanted(self, replicas: int) -> dict[str, Any]:
        return {
            "name": self._stream,
            "description": "diagmesh: who is expected in the mesh",
            "subjects": [f"{self._prefix}>"],
            "storage": "file",
            "num_replicas": replicas,
            "max_msgs_per_subject": 1,
            "max_msgs": _MOST_VALUES,
            "max_bytes": _MOST_BYTES,
            "max_msg_size": _VALUE_BYTES,
            "discard": "new",
            "allow_rollup_hdrs": True,
            "allow_direct": True,
            "allow_msg_ttl": True,
            "deny_delete": True,
            "metadata": _OURS,
        }

    async def _mend(self, said: _Said) -> None:
        """A bucket that somebody else made may lack what we need; one of ours may have been made on too few servers."""
        config = said.config
        try:
            known = msgspec.convert(config, _Config)
        except msgspec.ValidationError:
            raise StoreUnavailable(_UNREADABLE) from None
        lacking = {key: True for key in ("allow_direct", "allow_msg_ttl") if not getattr(known, key)}
        if lacking:
            _check(await self._api("STREAM.UPDATE", msgspec.json.encode(config | lacking)))
        ours = (known.metadata or {}).items() >= _OURS.items()
        clustered = said.cluster is not None and said.cluster.name
        if ours and clustered and known.num_replicas < _MOST_REPLICAS:
            # As good as before if this is refused: there may still be no more servers.
            more = config | lacking | {"num_replicas": _MOST_REPLICAS}
            await self._api("STREAM.UPDATE", msgspec.json.encode(more))

    async def read(self, after: int = 0) -> list[Entry]:
        """See `diagmesh.bus.core.Store.read`."""
        found: dict[str, Entry] = {}
        for _ in range(_MOST_BATCHES):
            messages, last = await self._batch(after + 1)
            for message in messages:
                entry = self._entry(message)
                found.pop(entry.key, None)
                found[entry.key] = entry
            if last <= after:
                break
            after = last
        return list(found.values())

    def _entry(self, message: Message) -> Entry:
        headers = message.headers or {}
        revision = _number(headers, "Nats-Sequence")
        key = headers.get("Nats-Subject", "")
        if not key.startswith(self._prefix):
            raise StoreUnavailable(_UNREADABLE_BATCH)
        key = key.removeprefix(self._prefix)
        # Deleted and expired values leave a marker.
        gone = "KV-Operation" in headers or "Nats-Marker-Reason" in headers
        return Entry(key=key, value=b"" if gone else message.data, revision=revision)

    async def _batch(self, start: int) -> tuple[list[Message], int]:
        """Up to 256 values from a revision on, and up to which one these go if there are more; 0 when these are all."""
        arrived: asyncio.Queue[Message | Exception] = asyncio.Queue()
        inbox = self._bus.open_inbox(arrived.put_nowait, arrived.put_nowait)
        subject = f"$JS.API.DIRECT.GET.{self._stream}"
        asked = {"seq": start, "batch": _BATCH, "next_by_subj": f"{self._prefix}>"}
        messages: list[Message] = []
        try:
            await self._bus.publish(subject, msgspec.json.encode(asked), reply=inbox.reply_to(0, subject))
            while len(messages) <= _BATCH:
                async with asyncio.timeout(_WAIT_S):
                    message = await arrived.get()
                if isinstance(message, Exception):
                    raise message
                headers = message.headers or {}
                status = headers.get("Status", "")
                if message.no_responders:
                    raise StoreUnavailable(_NO_STREAM)
                if status:
                    more = status == "204" and headers.get("Nats-Num-Pending") != "0"
                    return messages, _number(headers, "Nats-Last-Sequence") if more else 0
                messages.append(message)
        except TimeoutError:
            what = "did not come to an end (is it nats-server 2.11 or later?)" if messages else "did not answer"
            raise StoreUnavailable(f"JetStream {what} within {_WAIT_S:g} s") from None
        except NotPermitted as error:
            raise StoreUnavailable(str(error), absent=True) from None
        finally:
            inbox.close()
        raise StoreUnavailable("the server sent more than it was asked for")

    async def put(self, key: str, value: bytes, *, last: int, ttl_s: int) -> int:
        """See `diagmesh.bus.core.Store.put`."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(last), "Nats-TTL": f"{ttl_s}s"}
        try:
            message = await self._bus.request(f"{self._prefix}{key}", value, timeout_s=_WAIT_S, headers=headers)
        except NoResponders:
            raise StoreUnavailable(_NO_STREAM) from None
        except (NoAnswer, NotPermitted, MessageTooLarge) as error:
            raise _unavailable(error) from None
        said = _decoded(message.data)
        if said.error is not None and said.error.err_code == _CONFLICT:
            raise StoreConflict(f"{key}: somebody else has written it")
        _check(said)
        return said.seq

    async def _api(self, verb: str, body: bytes) -> _Said:
        try:
            message = await self._bus.request(f"$JS.API.{verb}.{self._stream}", body, timeout_s=_WAIT_S)
        except NoResponders:
            raise StoreUnavailable(_NO_JETSTREAM, absent=True) from None
        except (NoAnswer, NotPermitted) as error:
            raise _unavailable(error) from None
        return _decoded(message.data)


def _unavailable(error: BusError) -> StoreUnavailable:
    if isinstance(error, NoAnswer):
        return StoreUnavailable(f"JetStream did not answer within {_WAIT_S:g} s (no quorum, perhaps)")
    return StoreUnavailable(str(error), absent=isinstance(error, NotPermitted))


def _decoded(data: bytes) -> _Said:
    try:
        return _said.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise StoreUnavailable(_UNREADABLE) from None


def _number(headers: Mapping[str, str], name: str) -> int:
    try:
        return int(headers[name])
    except (KeyError, ValueError):
        raise StoreUnavailable(_UNREADABLE_BATCH) from None


def _check(said: _Said) -> None:
    if said.error is None:
        return
    code, words = said.error.err_code, said.error.description
    hint = _HINTS.get(code)
    if code in _NOT_ENABLED:
        raise StoreUnavailable(_NO_JETSTREAM, absent=True)
    raise StoreUnavailable(f"{hint}: {words} ({code})" if hint else f"JetStream refuses: {words} ({code})")
