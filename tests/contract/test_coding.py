"""JSON and MessagePack hold the same tree; headers say which, by the rules of HTTP as far as they are needed."""

import contextlib
import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.codec import decode_question, encode
from diagmesh.contract.coding import ACCEPT_HEADER, CONTENT_TYPE_HEADER, MSGPACK, json_body, packed, wants_msgpack
from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.presence import Event
from diagmesh.contract.wire import QUESTION_LIMIT_BYTES, WIRE_VERSION
from diagmesh.errors import Declined

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=10)
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=4), st.datetimes(timezones=st.just(UTC)))
def test_both_codings_hold_the_same(detail: dict[str, Any], at: datetime) -> None:
    """Times, floats (NaN too), None and the rest, typed and free."""
    event = Event(v=WIRE_VERSION, service="o", instance="i", boot="b", kind="k", at=at, what="w", detail=detail)
    data = encode(event)
    plain, other = msgspec.json.decode(data), msgspec.msgpack.decode(packed(data))
    assert repr(other) == repr(plain), "1 and 1.0 differ too"
    assert msgspec.json.encode(other) == msgspec.json.encode(plain)


@given(st.dictionaries(st.text(max_size=8), values, max_size=4))
def test_a_question_is_the_same_in_both(fields: dict[str, Any]) -> None:
    as_json = encode(fields)
    body = json_body({CONTENT_TYPE_HEADER: MSGPACK}, msgspec.msgpack.encode(msgspec.json.decode(as_json)))
    assert msgspec.json.decode(body) == msgspec.json.decode(as_json)


def test_what_json_cannot_hold_is_null_in_both() -> None:
    data = packed(encode({"share": math.nan, "most": math.inf}))
    assert msgspec.msgpack.decode(data) == {"share": None, "most": None}


def test_an_integer_beyond_64_bits_cannot_be_packed() -> None:
    with pytest.raises(OverflowError):
        packed(b'{"n":%d}' % 2**70)


@pytest.mark.parametrize("given_type", ["", "application/json", "Application/JSON; charset=utf-8"])
def test_json_is_what_it_is_without_a_word(given_type: str) -> None:
    assert json_body({CONTENT_TYPE_HEADER: given_type}, b"as it came") == b"as it came"


def test_a_packed_question_is_read_as_strictly() -> None:
    headers = {CONTENT_TYPE_HEADER: MSGPACK}
    body = json_body(headers, msgspec.msgpack.encode({"services": ["orders"], "timeout_ms": 250}))
    assert decode_question(body, MeshQuestion) == MeshQuestion(services=("orders",), timeout_ms=250)
    with pytest.raises(Declined, match=r"Expected `int \| null`, got `str` - at `\$.timeout_ms`"):
        decode_question(json_body(headers, msgspec.msgpack.encode({"timeout_ms": "soon"})), MeshQuestion)
    assert decode_question(json_body(headers, b""), MeshQuestion) == MeshQuestion()


@pytest.mark.parametrize(
    ("given_type", "body", "says"),
    [
        ("text/xml", b"<a/>", "not read here"),
        ("application/x-protobuf", b"", "not read here"),
        (MSGPACK, b"\xc1", "no MessagePack"),
        (MSGPACK, b"\x81\xa1a", "no MessagePack"),
        (MSGPACK, b'{"a":1}', "no MessagePack"),
        (MSGPACK, b"\xdd\xff\xff\xff\xff", "no MessagePack"),
        (MSGPACK, b"\xdf\xff\xff\xff\xff", "no MessagePack"),
        (MSGPACK, b"\x91" * 60_000, "no MessagePack"),
        (MSGPACK, b"\xd4\x05a", "no MessagePack"),
        (MSGPACK, b"\x81\xc0\x02", "no MessagePack"),
        (MSGPACK, b"\xa2\xff\xfe", "no MessagePack"),
    ],
)
def test_a_body_that_cannot_be_read_is_declined_with_what_can(given_type: str, body: bytes, says: str) -> None:
    with pytest.raises(Declined, match=says) as caught:
        json_body({CONTENT_TYPE_HEADER: given_type}, body)
    assert (caught.value.code, bool(caught.value.hint)) == (400, True)


def test_a_body_too_large_is_refused_before_it_is_read() -> None:
    body = json_body({CONTENT_TYPE_HEADER: MSGPACK}, b"\xc0" * (QUESTION_LIMIT_BYTES + 1))
    with pytest.raises(Declined) as caught:
        decode_question(body, MeshQuestion)
    assert caught.value.code == 413


@given(st.binary(max_size=200))
def test_no_body_raises_anything_else(body: bytes) -> None:
    with contextlib.suppress(Declined):
        msgspec.json.decode(json_body({CONTENT_TYPE_HEADER: MSGPACK}, body) or b"{}")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("application/msgpack", True),
        (" APPLICATION/MsgPack ", True),
        ("application/json", False),
        ("*/*", False),
        ("application/*", False),
        ("application/json, application/msgpack", False),
        ("application/json;q=0.5, application/msgpack", True),
        ("application/json;q=0.5, application/msgpack;q=0.4", False),
        ("application/msgpack;q=0, application/json", False),
        ("application/msgpack;q=0.2, */*;q=0.1", True),
        ("application/msgpack;q=0.1, */*;q=0.2", False),
        ("application/json;q=0, */*", True),
        ("text/html, application/msgpack; charset=x ; q=1.0", True),
        ("application/*;q=0.1, */*;q=1, application/msgpack;q=0.5", True),
        (",,application/msgpack,", True),
    ],
)
def test_what_is_accepted_most_is_sent(accept: str, expected: bool) -> None:
    assert wants_msgpack({ACCEPT_HEADER: accept}) is expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/json;q=0",
        "*/*;q=0",
        "application/msgpack;q=much",
        "application/msgpack;q=",
        "application/msgpack;q=-1",
        "application/msgpack;q=2",
        "application/msgpack;q=nan",
        "application/msgpack;q=²",
        "application/msgpack;q=.",
        "," * 1001,
    ],
)
def test_what_cannot_be_sent_or_read_is_declined(accept: str) -> None:
    with pytest.raises(Declined) as caught:
        wants_msgpack({ACCEPT_HEADER: accept})
    assert (caught.value.code, MSGPACK in caught.value.hint or "q=" in caught.value.hint) == (400, True)


@given(st.text(max_size=60))
def test_no_header_raises_anything_else(accept: str) -> None:
    with contextlib.suppress(Declined):
        assert wants_msgpack({ACCEPT_HEADER: accept}) in (True, False)
