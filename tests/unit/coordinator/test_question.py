"""The body of a mesh question, taken apart."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.answers.profile import ProfileQuestion
from diagmesh.contract.answers.resources import ResourcesQuestion
from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.wire import Nothing
from diagmesh.errors import Declined
from diagmesh_coordinator.question import decode_fanout


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}"])
def test_nothing_asks_everybody(body: bytes) -> None:
    question = decode_fanout(body, None)
    assert question.chosen == MeshQuestion()
    assert msgspec.json.decode(question.body(1500)) == {"timeout_ms": 1500}


def test_the_selection_is_ours_and_the_rest_goes_to_the_agents() -> None:
    body = b'{"services":["orders"],"each":true,"timeout_ms":900,"detail":"full","window_s":60}'
    question = decode_fanout(body, ResourcesQuestion)
    assert (question.chosen.services, question.chosen.each, question.timeout_ms) == (("orders",), True, 900)
    assert msgspec.json.decode(question.body(800)) == {
        "timeout_ms": 800,
        "detail": "full",
        "window_s": 60,
    }


def test_fields_of_an_unknown_kind_are_passed_on_for_the_agents_to_judge() -> None:
    question = decode_fanout(b'{"deep":{"er":[1,2]},"labels":{"a":"b"}}', None)
    assert msgspec.json.decode(question.body(1000)) == {"timeout_ms": 1000, "deep": {"er": [1, 2]}}


def test_instances_are_asked_so_that_their_answers_can_be_told_as_one() -> None:
    question = decode_fanout(b'{"type":"heap","services":["orders"],"timeout_ms":900}', ProfileQuestion)
    wider = question.widened(ProfileQuestion)
    assert msgspec.json.decode(wider.body(800)) == {"timeout_ms": 800, "type": "heap", "top": 100}
    assert (wider.chosen, wider.timeout_ms) == (question.chosen, 900)
    single = decode_fanout(b'{"type":"heap","each":true}', ProfileQuestion)
    assert single.widened(ProfileQuestion) is single, "single replies are as they were asked for"
    assert question.widened(None) is question


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"junk", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'{"services":"orders"}', "$.services"),
        (b'{"labels":{"a":1}}', "$.labels"),
        (b'{"limit":0}', "$.limit"),
        (b'{"timeout_ms":"soon"}', "$.timeout_ms"),
        (b'{"servces":["orders"]}', "servces"),
    ],
)
def test_what_cannot_be_meant_is_declined_with_the_place_and_a_hint(body: bytes, says: str) -> None:
    with pytest.raises(Declined) as caught:
        decode_fanout(body, Nothing)
    assert caught.value.code == 400
    assert says in caught.value.detail
    assert "services" in caught.value.hint


def test_a_body_above_the_limit_is_413() -> None:
    with pytest.raises(Declined) as caught:
        decode_fanout(b'{"x":"' + b"x" * 70_000 + b'"}', None)
    assert caught.value.code == 413


@given(st.binary(max_size=200))
def test_no_bytes_whatever_break_it(body: bytes) -> None:
    with contextlib.suppress(Declined):
        assert decode_fanout(body, ResourcesQuestion).body(1000)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(min_size=1, max_size=10), json_values, max_size=5))
def test_what_is_not_ours_arrives_as_it_came(fields: dict[str, object]) -> None:
    ours = {field.encode_name for field in msgspec.structs.fields(MeshQuestion)}
    own = {name: value for name, value in fields.items() if name not in ours}
    question = decode_fanout(msgspec.json.encode(own), None)
    assert msgspec.json.decode(question.body(1000)) == {"timeout_ms": 1000, **own}
