"""The slope is the one that a plain reading of the definition gives, and time to limit is only told when it grows."""

import math
import random
from itertools import combinations
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.adapters.trend import POINTS_LEAST, POINTS_LIMIT, slopes_of, thinned, time_to_limit, trend_of, usual_of
from diagmesh.contract.answers.resources import Trend

values = st.lists(st.integers(-(10**9), 10**9), min_size=POINTS_LEAST, max_size=POINTS_LIMIT)


@settings(deadline=None)
@given(values, st.integers(1, 60))
def test_the_slope_is_the_median_of_all_pairwise_slopes(numbers: list[int], pace: int) -> None:
    points = [(float(index * pace), float(number)) for index, number in enumerate(numbers)]
    trend = trend_of(points)
    brute = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2)]
    assert trend is not None
    assert trend.slope == median(brute)
    assert trend.slope_low <= trend.slope <= trend.slope_high
    assert trend.slope_low in brute
    assert trend.slope_high in brute


@settings(deadline=None)
@given(values)
def test_turning_the_values_round_turns_the_interval_round(numbers: list[int]) -> None:
    points = [(float(index), float(number)) for index, number in enumerate(numbers)]
    up, down = trend_of(points), trend_of([(at, -value) for at, value in points])
    assert up is not None
    assert down is not None
    assert (up.slope, up.slope_low, up.slope_high) == (-down.slope, -down.slope_high, -down.slope_low)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e9, 1e9)), max_size=40))
def test_any_points_give_a_trend_or_none(points: list[tuple[float, float]]) -> None:
    trend = trend_of(sorted(points))
    if trend is not None:
        assert trend.samples >= POINTS_LEAST
        assert trend.slope_low <= trend.slope_high


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(2, 50))
def test_thinning_keeps_the_ends_and_the_order(count: int, limit: int) -> None:
    points = [(float(index), 0.0) for index in range(count)]
    chosen = thinned(points, limit)
    assert len(chosen) == min(count, limit)
    assert chosen == sorted(set(chosen))
    if points:
        assert (chosen[0], chosen[-1]) == (points[0], points[-1])


@given(st.lists(st.floats(0, 1e6), max_size=120), st.integers(2, 50))
def test_thinning_of_any_pace_keeps_the_ends_and_the_order(times: list[float], limit: int) -> None:
    points = [(at, float(number)) for number, at in enumerate(sorted(times))]
    chosen = thinned(points, limit)
    assert min(len(points), limit, 2) <= len(chosen) <= limit
    assert chosen == sorted(set(chosen))
    assert len(chosen) >= min(len(points), limit, POINTS_LEAST)
    if points:
        assert (chosen[0], chosen[-1]) == (points[0], points[-1])


def test_a_dense_beginning_counts_for_no_more_than_its_time() -> None:
    dense = [(index / 10, 100.0 * index) for index in range(100)]
    sparse = [(10.0 + 5 * index, 10_000.0) for index in range(1, 60)]
    chosen = thinned(dense + sparse)
    assert sum(at < 10 for at, _ in chosen) <= 3
    trend = trend_of(dense + sparse)
    assert trend is not None
    assert trend.slope == 0


def test_the_usual_is_what_was_before_a_step_and_not_a_short_dip() -> None:
    before = [(float(second), 10.0) for second in range(40)]
    after = [(float(second), 60.0) for second in range(40, 100)]
    assert usual_of(before + after) == 10.0
    assert usual_of(before[:10] + [(float(second), 60.0) for second in range(10, 100)]) == 60.0
    assert usual_of(before[: POINTS_LEAST - 1]) is None


def test_a_quarter_of_wild_points_does_not_move_a_clear_slope() -> None:
    dice = random.Random(7)  # noqa: S311  noise that is the same every time
    points = [(float(index), 1000.0 + 50 * index) for index in range(40)]
    for index in dice.sample(range(40), 9):
        points[index] = (points[index][0], 10**7 * dice.random())
    trend = trend_of(points)
    assert trend is not None
    assert trend.slope == pytest.approx(50, rel=0.2)


def test_a_growth_that_comes_to_an_end_is_flat_in_its_later_half() -> None:
    warm = trend_of([(float(second), 100 - 100 * math.exp(-second / 40)) for second in range(0, 300, 5)])
    leak = trend_of([(float(second), 2.0 * second) for second in range(0, 300, 5)])
    assert warm is not None
    assert leak is not None
    assert warm.late_slope is not None
    assert warm.slope_low > 0
    assert warm.late_slope < 0.3 * warm.slope
    assert leak.late_slope == leak.slope == 2.0
    short = trend_of([(float(second), 2.0 * second) for second in range(POINTS_LEAST)])
    assert short is not None
    assert short.late_slope is None


def test_the_interval_holds_the_true_slope_about_as_often_as_it_says() -> None:
    dice = random.Random(11)  # noqa: S311  noise that is the same every time
    held = 0
    for _ in range(200):
        trend = trend_of([(float(index), 3.0 * index + dice.gauss(0, 40)) for index in range(30)])
        assert trend is not None
        held += trend.slope_low <= 3.0 <= trend.slope_high
    assert held / 200 >= 0.9


def test_too_few_points_are_no_trend() -> None:
    assert trend_of([]) is None
    assert trend_of([(float(index), float(index)) for index in range(POINTS_LEAST - 1)]) is None
    assert trend_of([(1.0, 1.0)] * 20) is None, "no time passed"


def test_growth_meets_its_limit_earliest_with_the_steepest_slope() -> None:
    dice = random.Random(3)  # noqa: S311  noise that is the same every time
    trend = trend_of([(float(index), 100.0 * index + dice.gauss(0, 100)) for index in range(40)])
    until = time_to_limit(trend, 10_000.0, "limit")
    assert until is not None
    assert until.earliest_s < until.likely_s < until.latest_s
    assert until.likely_s == pytest.approx(100, rel=0.2)


@pytest.mark.parametrize("step", [0.0, -5.0])
def test_what_does_not_grow_never_meets_its_limit(step: float) -> None:
    assert time_to_limit(trend_of([(float(index), step * index) for index in range(20)]), 100.0, "limit") is None


def test_growth_that_may_be_none_meets_no_limit() -> None:
    dice = random.Random(5)  # noqa: S311  noise that is the same every time
    trend = trend_of([(float(index), 0.5 * index + dice.gauss(0, 60)) for index in range(30)])
    assert trend is not None
    assert trend.slope_low <= 0 < trend.slope, "the case that is meant"
    assert time_to_limit(trend, 100.0, "limit") is None
    flat = Trend(slope=1.0, slope_low=0.0, slope_high=2.0, over_s=29.0, samples=30)
    assert time_to_limit(flat, 100.0, "limit") is None


def test_what_is_beyond_its_limit_has_no_time_left_and_without_limit_there_is_none() -> None:
    growing = trend_of([(float(index), float(index)) for index in range(20)])
    past = time_to_limit(growing, -5.0, "limit")
    assert past is not None
    assert (past.headroom, past.likely_s) == (0.0, 0.0)
    assert time_to_limit(growing, None, "limit") is None
    assert slopes_of([(0.0, 1.0)]) == []


def test_a_short_past_tells_nothing_of_days() -> None:
    trend = trend_of([(float(second), 1000.0 * second) for second in range(20)])
    assert time_to_limit(trend, 10_000_000, "near") is not None
    assert time_to_limit(trend, 1_000_000_000, "eleven days ahead, after twenty seconds") is None
