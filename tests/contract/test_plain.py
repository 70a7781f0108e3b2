"""An answer that not every reader can hold is told from one that all can, whatever stands in its texts."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.coding import packed
from diagmesh.contract.plain import MOST_NESTED, flaw_of


def nested(levels: int, inner: str = "1", opening: str = "[", closing: str = "]") -> bytes:
    return (opening * levels + inner + closing * levels).encode()


@pytest.mark.parametrize(
    "answer",
    [
        nested(MOST_NESTED),
        nested(MOST_NESTED, opening='{"a":', closing="}"),
        b'{"text":"' + b"[" * 5000 + b'"}',
        b'{"text":"' + rb"\"[\\" * 500 + b'","n":[[' + b"]]}",
        b"[" + b"[]," * 5000 + b"{}]",
        b'{"boot":"3e7750000000000000000000000000000"}',
        b"18446744073709551615",
        b"-9223372036854775808",
        b"1e308",
        b"1e-999",
        b"0." + b"1" * 500,
    ],
)
def test_what_everybody_can_hold_has_no_flaw(answer: bytes) -> None:
    assert flaw_of(answer) == ""
    packed(answer)
    orjson.loads(answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (nested(MOST_NESTED + 1), "nested deeper"),
        (nested(990), "nested deeper"),
        (nested(MOST_NESTED + 1, opening='{"\\"[]\\\\":[', closing="]}"), "nested deeper"),
        (b"18446744073709551616", "beyond 64 bits"),
        (b"-9223372036854775809", "beyond 64 bits"),
        (b'{"n":' + b"9" * 400 + b"}", "beyond 64 bits"),
        (b'{"n":' + b"9" * 6000 + b"}", "beyond 64 bits"),
        (b"[1e999]", "beyond 64 bits"),
        (b"[-1E+0999]", "beyond 64 bits"),
    ],
)
def test_what_would_break_a_reader_is_told(answer: bytes, says: str) -> None:
    assert says in flaw_of(answer)


TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=30,
)


@given(TREES, st.integers(0, 200))
def test_of_any_tree_only_the_depth_counts(tree: Any, levels: int) -> None:
    answer = b"[" * levels + msgspec.json.encode(tree) + b"]" * levels
    assert bool(flaw_of(answer)) is (levels + depth(tree) > MOST_NESTED)


def depth(tree: Any) -> int:
    if isinstance(tree, dict):
        tree = list(tree.values())
    return 1 + max(map(depth, tree), default=0) if isinstance(tree, list) else 0
