"""Strict in requests, tolerant of a newer version in replies; every refusal names path and types."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.codec import ERROR_HEADER, decode_question, decode_reply, encode, error_headers
from diagmesh.contract.control import ForgetQuestion
from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.wire import QUESTION_LIMIT_BYTES, Detail, Nothing, Problem, Reply, Status
from diagmesh.errors import Declined
from support.house import ROOT

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("body", [b"", b" ", b"\n", b"{}"])
def test_an_empty_body_is_the_question_with_its_defaults(body: bytes) -> None:
    assert decode_question(body, Nothing) == Nothing()


def test_common_fields() -> None:
    question = decode_question(b'{"timeout_ms": 250, "detail": "brief"}', Nothing)
    assert (question.timeout_ms, question.detail) == (250, Detail.BRIEF)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"timeout_ms": "250"}', "Expected `int | null`, got `str` - at `$.timeout_ms`"),
        (b'{"services": ["a", 1]}', "Expected `str`, got `int` - at `$.services[1]`"),
        (b'{"labels": {"a": 1}}', "Expected `str | array`, got `int` - at `$.labels[...]`"),
        (b'{"detail": "much"}', "Invalid enum value 'much' - at `$.detail`"),
        (b'{"colour": 1}', "unknown field `colour`"),
        (b'{"limit": 0}', "at `$.limit`"),
        (b"{", "no JSON object"),
        (b"\xff\xfe", "no JSON object"),
        (b'{"detail":"\xff"}', "no JSON object"),
        (b'{"\xff":1}', "no JSON object"),
        (b'{"services":["\xff"]}', "no JSON object"),
        (b'"health"', "Expected `object`, got `str`"),
    ],
)
def test_a_refusal_names_path_and_types(body: bytes, says: str) -> None:
    with pytest.raises(Declined) as caught:
        decode_question(body, MeshQuestion)
    assert says in caught.value.detail
    assert caught.value.code == 400
    assert "timeout_ms" in caught.value.hint


def test_an_empty_body_lacks_what_must_be_there() -> None:
    with pytest.raises(Declined, match="missing required field `service`"):
        decode_question(b"", ForgetQuestion)


raw_in_strings = st.builds(
    lambda name, value: b'{"' + name + b'":["' + value + b'"]}',
    st.sampled_from([b"services", b"instances", b"labels"]) | st.binary(max_size=8),
    st.binary(max_size=20),
)


@given(st.binary(max_size=300) | json_values.map(msgspec.json.encode) | raw_in_strings)
def test_any_bytes_are_a_question_or_a_400(body: bytes) -> None:
    refused: Declined | None = None
    try:
        question = decode_question(body, MeshQuestion)
    except Declined as refusal:
        refused = refusal
    if refused is None:
        assert decode_question(encode(question), MeshQuestion) == question
    else:
        assert (refused.code, bool(refused.detail)) == (400, True)


@given(st.binary(max_size=300) | json_values.map(msgspec.json.encode))
def test_any_bytes_are_a_reply_or_a_decode_error(body: bytes) -> None:
    try:
        reply = decode_reply(body)
    except msgspec.DecodeError:
        return
    assert isinstance(reply, Reply)


@given(st.dictionaries(st.text(min_size=1, max_size=8).map(lambda name: "new_" + name), json_values, max_size=4))
def test_a_reply_of_a_newer_version_is_read(extra: dict[str, Any]) -> None:
    known = {"v": 7, "service": "orders", "instance": "i1", "kind": "health", "status": "answered", "answer": {"a": 1}}
    reply = decode_reply(msgspec.json.encode(extra | known))
    assert (reply.v, reply.status) == (7, Status.ANSWERED)
    assert bytes(reply.answer) == b'{"a":1}'  # type: ignore[arg-type]


def test_the_headers_say_the_same_code_and_error() -> None:
    headers = error_headers(Problem(code=404, error="unknown kind", detail="helth"))
    assert headers == {"Nats-Service-Error": "unknown kind", "Nats-Service-Error-Code": "404"}


def test_the_limit_of_a_question_is_its_last_allowed_size() -> None:
    assert decode_question(b" " * QUESTION_LIMIT_BYTES, Nothing) == Nothing()
    with pytest.raises(Declined) as caught:
        decode_question(b" " * (QUESTION_LIMIT_BYTES + 1), Nothing)
    assert caught.value.code == 413


@given(error=st.text(max_size=400))
def test_headers_are_one_ascii_line(error: str) -> None:
    headers = error_headers(Problem(code=400, error=error, detail="some detail"))
    assert headers["Nats-Service-Error-Code"] == "400"
    line = headers["Nats-Service-Error"]
    assert line.isascii()
    assert len(line) <= 200
    assert "\r" not in line
    assert "\n" not in line


def test_the_headers_of_a_service_error_are_spelt_in_one_place() -> None:
    spelt = [
        path.relative_to(ROOT).as_posix()
        for folder in ("shared", "services")
        for path in (ROOT / folder).rglob("*.py")
        if ERROR_HEADER.lower() in path.read_text(encoding="utf-8").lower()
    ]
    assert spelt == ["shared/diagmesh/contract/codec.py"]
