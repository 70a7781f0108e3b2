"""What is asked and what comes in pieces or from a store: selectors, labels, MessagePack, chunks, buckets, events."""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, Final

import msgspec

from diagmesh import keys
from diagmesh.bus.core import Message
from diagmesh.bus.joining import Joining
from diagmesh.bus.memory import MemoryServer
from diagmesh.bus.nats.bucket import Bucket
from diagmesh.bus.nats.last_words import error_in
from diagmesh.bus.nats.objects import Objects
from diagmesh.contract import chunks, subjects
from diagmesh.contract.answers.health import HealthQuestion
from diagmesh.contract.answers.profile import Profile, RawProfile
from diagmesh.contract.codec import decode_question
from diagmesh.contract.coding import CONTENT_TYPE_HEADER, MSGPACK, json_body, packed, wants_msgpack
from diagmesh.contract.labels import check_labels, labels_of
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.selector import Labels, fits, requirements
from diagmesh.contract.wire import Reply, Status
from diagmesh.control import sign
from diagmesh.declare import RuleSpec
from diagmesh.errors import BadName, Declined, StoreConflict, StoreUnavailable, Unreadable
from diagmesh.serve import Identity
from diagmesh.settings import CoordinatorSettings
from diagmesh_cli.nearby import codes_near
from diagmesh_cli.options import _milliseconds
from diagmesh_cli.trouble import UsageError
from diagmesh_coordinator.bundles import Away, put_away
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.pieces import fetching
from diagmesh_coordinator.registry import records
from diagmesh_coordinator.relay import Relay
from fuzz.target import Target, text_of

__all__ = ["TARGETS"]

logging.getLogger("diagmesh").addHandler(logging.NullHandler())  # a warning for each input would fill the memory

_PACKED: Final = {CONTENT_TYPE_HEADER: MSGPACK}
_KEY: Final = keys.generate()
_WHEN: Final = b"2026-11-23T14:02:11Z"
_MEMBER: Final = (
    b'{"v":1,"state":"here","observed":"' + _WHEN + b'","last_seen":"' + _WHEN + b'","boot":"b","labels":{"a":"b"}}'
)
_HASH: Final = hashlib.sha256(b"hello").hexdigest().encode()
_NAMES: Final = (
    chunks.CHUNK_HEADER,
    chunks.ID_HEADER,
    chunks.SIZE_HEADER,
    chunks.DIGEST_HEADER,
    chunks.FROM_HEADER,
)
_DEEP: Final = b'{"x":' + b"[" * 3000


def _selector(data: bytes) -> None:
    text = text_of(data)
    given: list[Labels] = [text]
    with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        given.append(msgspec.json.decode(data, type=Labels))
    for labels in given:
        try:
            asked = requirements(labels)
        except BadName as error:
            assert len(str(error)) < 600
            continue
        fits(asked, {"zone": "a"})
        again = ",".join(map(str, asked))
        assert len(again) > 4096 or requirements(again) == asked
    _labels(text)


def _labels(text: str) -> None:
    try:
        labels = labels_of(text)
    except BadName as error:
        assert len(str(error)) < 600
    else:
        check_labels(labels)
        assert labels_of(",".join(f"{key}={value}" for key, value in labels.items())) == labels


def _coding(data: bytes) -> None:
    with contextlib.suppress(Declined):
        wants_msgpack({"Accept": data.decode("latin-1")})
    with contextlib.suppress(Declined):
        json_body({CONTENT_TYPE_HEADER: data.decode("latin-1")}, data)
    with contextlib.suppress(Declined):
        body = json_body(_PACKED, data)
        if data:
            msgspec.json.decode(body)
    try:
        other = packed(data)
    except (ValueError, OverflowError, RecursionError):
        return
    assert _question(json_body(_PACKED, other)) == _question(data)


def _question(body: bytes) -> HealthQuestion | None:
    """What is asked, whatever it came as; None when it is refused."""
    try:
        return decode_question(body, HealthQuestion)
    except Declined:
        return None


def _chunks(data: bytes) -> None:
    """Messages, split at RS; each the five headers and the body, split at US."""
    assemblies, joining = chunks.Assemblies(most_bytes=256, most_open=4), Joining("x")
    for line in data.split(b"\x1e"):
        *values, body = line.split(b"\x1f", 5)
        headers = {name: text_of(value) for name, value in zip(_NAMES, values, strict=False)}
        taken = assemblies.take(0, headers, body)
        assert taken.origin.isprintable()
        assert 0 <= assemblies.held <= 256
        assert len(assemblies._open) <= 4
        assert len(assemblies._ended) <= 4
        if taken.data is not None:
            assert hashlib.sha256(taken.data).hexdigest() == headers[chunks.DIGEST_HEADER]
            assert len(taken.data) == int(headers[chunks.SIZE_HEADER])
        with contextlib.suppress(Unreadable):
            joining.whole(Message("x", body, "", headers))
    assemblies.incomplete()
    joining.missing()
    if data:
        _put_together(data)


def _put_together(data: bytes) -> None:
    """Cut anywhere, in the wrong order and twice, it is the same."""
    size = -(-len(data) // (1 + data[0] % chunks.MOST_CHUNKS))
    assemblies, messages = chunks.Assemblies(), list(chunks.cut(data, size, "id", "orders/i1"))
    came = [assemblies.take(0, headers, body).data for body, headers in [*reversed(messages), *messages]]
    assert [one for one in came if one is not None] == [data]
    assert assemblies.held == 0


_ABC: Final = hashlib.sha256(b"abc").hexdigest().encode()


class _Answers:
    """A bus on which everything is answered alike."""

    def __init__(self, data: bytes, headers: dict[str, str]) -> None:
        self._message = Message("x", data, "", headers)
        self._take: Callable[[Any], None] = lambda _: None
        self._status = {**headers, "Status": headers.get("Status") or "204"}

    max_payload = 1 << 20

    async def request(self, *_: object, **__: object) -> Message:
        return self._message

    def open_inbox(self, take: Callable[[Any], None], _: object) -> SimpleNamespace:
        self._take = take
        return SimpleNamespace(reply_to=lambda *_: "r", close=lambda: None)

    async def publish(self, *_: object, **__: object) -> None:
        headers = {name: value for name, value in (self._message.headers or {}).items() if name != "Status"}
        self._take(Message("x", self._message.data, "", headers))
        self._take(Message("x", b"", "", self._status))


def _bucket(data: bytes) -> None:
    body, *values = data.split(b"\0", 5)
    names = ("Nats-Sequence", "Nats-Subject", "Nats-Last-Sequence", "Nats-Num-Pending", "Status")
    bus: Any = _Answers(body, {name: text_of(value) for name, value in zip(names, values, strict=False)})
    bucket = Bucket(bus, "x")

    async def ask() -> None:
        for call in (bucket.open(), bucket.read(), bucket.put("k", b"v", last=0, ttl_s=1)):
            with contextlib.suppress(StoreUnavailable, StoreConflict):
                await call

    asyncio.run(ask())


def _objects(data: bytes) -> None:
    bus: Any = _Answers(data, {})
    with contextlib.suppress(StoreUnavailable):
        assert asyncio.run(Objects(bus).put("n", b"file")) == "diag_bundles/n"


def _pieces(data: bytes) -> None:
    """The reply to whoever asks for a piece of a file: it is that file in the end, or said to be none."""
    bus: Any = _Answers(data, {})
    reply = Reply(v=1, service="o", instance="i", kind="profile", status=Status.ANSWERED)
    file = RawProfile(type="heap", size_bytes=3, sha256=_ABC.decode())

    async def whole() -> bytes:
        return b"".join([piece async for piece in fetching(bus)(reply, file)])

    with contextlib.suppress(StoreUnavailable):
        assert asyncio.run(whole()) == b"abc"


def _bundles(data: bytes) -> None:
    """An answer of an agent, in a sum that does not fit."""

    class Shelf:
        async def put(self, name: str, _: bytes) -> str:
            return name

        async def put_pieces(self, name: str, pieces: AsyncIterator[bytes], size_bytes: int) -> str:
            assert [piece async for piece in pieces]
            return f"{name} of {size_bytes}"

    async def fetch(reply: Reply, file: RawProfile) -> AsyncIterator[bytes]:
        yield f"{reply.instance}: {file.type}".encode()

    raw: Any = msgspec.Raw(data)
    reply = Reply(v=1, service="o", instance="i", kind="profile", status=Status.ANSWERED, answer=raw)
    total = MeshAnswer(of="profile", expected=1, answered=1, each=(reply,))
    said = asyncio.run(put_away(total, "profile", Away(Shelf(), fetch, 5.0), 0))
    assert said.each is not None
    assert len(said.each) == 1
    if said.each[0] is not reply:
        assert isinstance(said.each[0].answer, msgspec.Raw)
        assert not any(one.data for one in msgspec.json.decode(said.each[0].answer, type=Profile).raw)


def _records(data: bytes) -> None:
    key, _, value = data.partition(b"\0")
    for name in (text_of(key), "member.orders.i1", "replicas.orders"):
        for stored in (value, data):
            try:
                where, record = records.decode(name, stored)
            except records.Unreadable as error:
                assert str(error).isprintable()
                continue
            kept, again = records.encode(record)
            assert records.decode(name, again) == (where, kept)
            if isinstance(record, records.MemberRecord):
                msgspec.json.encode(record.beat)


def _relayed(data: bytes) -> None:
    """An event as it is, and a well signed one whose request is anything."""

    async def listen() -> None:
        bus = MemoryServer().bus()
        directory = Directory(bus, CoordinatorSettings())
        directory._heard(Message("diagev.hb.mesh.c1", b'{"v":1,"boot":"b1"}'))
        relay = Relay(bus, directory, Identity(service="mesh", instance="c2", boot="b2", host="h"), [_KEY.public])
        relay._heard(Message("x", data))
        assert not relay._doing, "nobody signed this"
        body = text_of(data)
        subject = subjects.control("mesh", "forget", "c1")
        auth = sign(seed=_KEY.seed, subject=subject, body=body.encode(), boot="b1", now=time.time(), nonce="n" * 16)
        event = {"instance": "c1", "boot": "b1", "detail": {"body": body, "auth": auth}}
        relay._heard(Message("x", msgspec.json.encode(event)))
        await asyncio.gather(*relay._doing)
        await relay.stop()

    asyncio.run(listen())


def _hung_up(data: bytes) -> None:
    words = error_in(data)
    assert len(words) <= 200
    assert "\n" not in words


def _options(data: bytes) -> None:
    text = text_of(data)
    with contextlib.suppress(UsageError):
        assert 0 <= _milliseconds(text) <= 60_000
    rules: Any = {"RES-001": SimpleNamespace(name="cpu_hot", title="CPU")}
    known: dict[str, RuleSpec] = rules
    assert set(codes_near(text, known)) <= known.keys()


TARGETS: Final = (
    Target(
        "selector",
        _selector,
        ("diagmesh.contract.selector", "diagmesh.contract.labels"),
        (b"zone=a,tier in (1,2),!canary", b"a!=b,c notin (d)", b'{"zone":["a","b"],"x":"y"}', b"zone=a, v = 1.2"),
    ),
    Target(
        "coding",
        _coding,
        ("diagmesh.contract.coding",),
        (
            b'{"timeout_ms":100,"detail":"full","window_s":60}',
            msgspec.msgpack.encode({"timeout_ms": 100, "detail": "full"}),
            b"application/msgpack;q=0.5, */*;q=0.1",
            b"\x91" * 3000,
            _DEEP,
        ),
    ),
    Target(
        "chunks",
        _chunks,
        ("diagmesh.contract.chunks", "diagmesh.bus.joining"),
        (
            b"\x1e".join(
                b"\x1f".join((place, b"i", b"5", _HASH, b"orders/i1", body))
                for place, body in ((b"2/2", b"lo"), (b"1/2", b"hel"))
            ),
            b"1/2\x1fi\x1f5\x1f" + _HASH + b"\x1fo\x1fhello, and more",
        ),
    ),
    Target(
        "bucket",
        _bucket,
        ("diagmesh.bus.nats.bucket",),
        (
            b'{"config":{"allow_direct":true,"metadata":{"made_by":"diagmesh"},"num_replicas":1},"cluster":{"name":"c"}}',
            b'{"config":{"metadata":[],"num_replicas":"x"},"cluster":{"name":"c"}}',
            b'{"error":{"err_code":10059,"description":"no"}}',
            b"{}\x001\0$KV.x.k\x005\x002\x00204",
            _DEEP,
        ),
    ),
    Target(
        "object-store",
        _objects,
        ("diagmesh.bus.nats.objects",),
        (
            b'{"config":{"max_bytes":1000000},"state":{"bytes":10}}',
            b'{"config":{"max_bytes":10},"state":{"bytes":10}}',
            b'{"error":{"err_code":10059,"description":"no"}}',
            _DEEP,
        ),
    ),
    Target(
        "pieces",
        _pieces,
        ("diagmesh_coordinator.pieces",),
        (
            b'{"v":1,"service":"o","instance":"i","kind":"profile","status":"answered","answer":{"raw":[{"type":"heap",'
            b'"size_bytes":3,"sha256":"' + _ABC + b'","data":"YWJj"}]}}',
            b'{"v":1,"service":"o","instance":"i","kind":"profile","status":"declined","problem":{"code":404,"error":"x"}}',
            _DEEP,
        ),
    ),
    Target(
        "bundles",
        _bundles,
        ("diagmesh_coordinator.bundles",),
        (
            b'{"heap_bytes":7,"raw":[{"type":"heap","size_bytes":3,"sha256":"ab","data":"YWJj"}]}',
            b'{"raw":[{"type":"cpu","size_bytes":3,"sha256":"ab"}],"counted":[]}',
            b'{"raw":1}',
            _DEEP,
        ),
    ),
    Target(
        "records",
        _records,
        ("diagmesh_coordinator.registry.records",),
        (
            b"member.orders.i1\0" + _MEMBER,
            b'replicas.orders\0{"v":1,"observed":"' + _WHEN + b'","replicas":3}',
            b'x\0{"v":2}',
            _DEEP,
        ),
    ),
    Target(
        "relayed",
        _relayed,
        ("diagmesh_coordinator.relay",),
        (
            b'{"service":"orders","instance":"i1"}',
            b'{"instance":"c1","boot":"b1","detail":{"body":"{}","auth":"x"}}',
            _DEEP,
        ),
    ),
    Target(
        "hung-up",
        _hung_up,
        ("diagmesh.bus.nats.last_words",),
        (b"INFO {}\r\n-ERR 'maximum connections exceeded'\r\n", b"-ERR '" + b"x" * 300),
    ),
    Target(
        "options",
        _options,
        ("diagmesh_cli.options", "diagmesh_cli.nearby"),
        (b"200ms", b"1.5s", b"res 1", b"cpu-hot", b"RES-"),
    ),
)
