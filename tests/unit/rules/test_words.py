"""Numbers in titles: at a glance, and never with an exponent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh_cli.views.words import amount
from diagmesh_rules._words import duration, number, percent, size


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.25, "0.25"), (12.34, "12.3"), (999.7, "1,000"), (12_345.6, "12,346"), (5e6, "5,000,000"), (0.00001, "0.000")],
)
def test_a_number(value: float, told: str) -> None:
    assert number(value) == told
    assert amount(value) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0141, "14 ms"), (0.5, "0.5 s"), (119.0, "119 s"), (120.0, "2 min"), (0.0, "0 s"), (2e8, "2,315 d")],
)
def test_a_duration(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@given(st.floats(min_value=0, max_value=1e15))
def test_nothing_is_told_with_an_exponent(value: float) -> None:
    told = (
        number(value),
        number(-value),
        number(value, 2),
        amount(value),
        duration(value),
        percent(value),
        size(value),
    )
    assert not [one for one in told if "e" in one]
