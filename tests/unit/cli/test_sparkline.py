"""Sparklines: one character per value, in the order of the values, with gaps where nothing was seen."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh_cli.sparkline import ASCII, BLOCKS, GAP, sparkline

VALUES = st.lists(st.one_of(st.none(), st.floats()))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([None, None], "  "),
        ([5], "▁"),
        ([0, 0, 0], "▁▁▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([7, None, 0], "█ ▁"),
        ([-4, 0, 4], "▁▅█"),
        ([1000, 1001, 1000], "▁▁▁"),
        ([1000, 1050, 1000], "▁▄▁"),
        ([math.inf, 1, -math.inf, math.nan], "█▁▁ "),
        ([-1.7e308, 1.7e308], "▁█"),
    ],
)
def test_lines(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


@given(VALUES)
def test_one_character_each_and_gaps_where_nothing_was_seen(values: list[float | None]) -> None:
    line = sparkline(values)
    assert len(line) == len(values)
    gaps = [value is None or math.isnan(value) for value in values]
    assert [char == GAP for char in line] == gaps
    assert set(line) <= {*BLOCKS, GAP}


@given(VALUES)
def test_a_larger_value_never_stands_lower(values: list[float | None]) -> None:
    seen = [(value, BLOCKS.index(char)) for value, char in zip(values, sparkline(values), strict=True) if char != GAP]
    heights = [height for _, height in sorted(seen, key=lambda one: (one[0] or 0.0, one[1]))]
    assert heights == sorted(heights)


@given(VALUES)
def test_plain_characters_tell_the_same(values: list[float | None]) -> None:
    assert sparkline(values, ASCII) == sparkline(values).translate(str.maketrans(BLOCKS, ASCII))
