"""The robust slope of a value over time, with its uncertainty, and the time until a limit.

Theil-Sen: the median of the slopes between all pairs of points; 29 % of the points may be wild without moving it much.
The interval comes from the order statistics of these slopes (Sen 1968), which asks for no distribution but for
independent errors: successive samples of one process resemble each other, so that the truth is rather less certain.
"""

import math
from collections.abc import Sequence
from typing import Final

from diagmesh.contract.answers.resources import ToLimit, Trend

__all__ = ["POINTS_LEAST", "POINTS_LIMIT", "slopes_of", "thinned", "time_to_limit", "trend_of", "usual_of"]

_REACH: Final = 1000
"""A forecast reaches at most so many times as far as the past that it rests on: 20 s tell nothing of days."""
POINTS_LEAST: Final = 6
"""With fewer points even an ordered row of values is no sign of growth (1 in 120 by chance)."""
POINTS_LIMIT: Final = 40
"""780 pairs, a third of a millisecond; more points narrow the interval little."""
_Z: Final = 1.959964  # 95 % of a normal distribution lie within
Point = tuple[float, float]


def thinned(points: Sequence[Point], limit: int = POINTS_LIMIT) -> list[Point]:
    """At most ``limit`` of the points, evenly chosen in time, the first and the last among them.

    The beginning of a past is sampled more densely than the rest, and must not count for more than its time.
    """
    if len(points) <= limit:
        return list(points)
    chosen = _nearest(points, limit)
    if len(chosen) >= min(limit, POINTS_LEAST):
        return chosen
    step = (len(points) - 1) / (limit - 1)
    return [points[round(index * step)] for index in range(limit)]


def usual_of(points: Sequence[Point]) -> float | None:
    """What the value is most of the time, or was before a step up: its lower quartile; None with too few points."""
    if len(points) < POINTS_LEAST:
        return None
    ordered = sorted(value for _, value in thinned(points))
    return ordered[(len(ordered) - 1) // 4]


def slopes_of(points: Sequence[Point]) -> list[float]:
    """The slopes between all pairs of points of different times, smallest first."""
    found = []
    for index, (at, value) in enumerate(points):
        for later_at, later in points[index + 1 :]:
            if later_at != at:
                found.append((later - value) / (later_at - at))
    found.sort()
    return found


def trend_of(points: Sequence[Point]) -> Trend | None:
    """The slope of ``(seconds, value)`` points in order of time; None with too few of them."""
    chosen = thinned(points)
    slopes = slopes_of(chosen)
    if len(chosen) < POINTS_LEAST or not slopes:
        return None
    low, high = _interval(chosen, len(slopes))
    return Trend(
        slope=_median(slopes),
        slope_low=slopes[low],
        slope_high=slopes[high],
        over_s=chosen[-1][0] - chosen[0][0],
        samples=len(chosen),
        late_slope=_late_slope(chosen),
    )


def time_to_limit(trend: Trend | None, headroom: float | None, limit: str) -> ToLimit | None:
    """When what is left will be used up; None without a limit, without clear growth, or too far ahead to be known."""
    if trend is None or headroom is None or trend.slope_low <= 0:
        return None
    left = max(0.0, headroom)
    if left / trend.slope > _REACH * trend.over_s:
        return None
    return ToLimit(
        limit=limit,
        headroom=left,
        earliest_s=left / trend.slope_high,
        likely_s=left / trend.slope,
        latest_s=left / trend.slope_low,
    )


def _nearest(points: Sequence[Point], limit: int) -> list[Point]:
    """The points nearest to ``limit`` moments at even distances; one that is nearest to several only once."""
    begin, pace = points[0][0], (points[-1][0] - points[0][0]) / (limit - 1)
    index, chosen = 0, [points[0]]
    for number in range(1, limit):
        due, before = begin + number * pace, index
        while index + 1 < len(points) and abs(points[index + 1][0] - due) <= abs(points[index][0] - due):
            index += 1
        if index > before:
            chosen.append(points[index])
    return chosen


def _interval(points: Sequence[Point], count: int) -> tuple[int, int]:
    """Where in the ordered slopes the 95 % interval begins and ends."""
    n = len(points)
    ties = _ties([at for at, _ in points]) + _ties([value for _, value in points])
    spread = _Z * math.sqrt(max(0.0, (n * (n - 1) * (2 * n + 5) - ties) / 18))
    low = max(0, math.floor((count - spread) / 2) - 1)
    return low, count - 1 - low


def _late_slope(points: Sequence[Point]) -> float | None:
    """The slope of the later half of the time."""
    middle = (points[0][0] + points[-1][0]) / 2
    later = [point for point in points if point[0] >= middle]
    slopes = slopes_of(later)
    return _median(slopes) if slopes and len(later) >= POINTS_LEAST else None


def _ties(values: list[float]) -> int:
    counts: dict[float, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return sum(k * (k - 1) * (2 * k + 5) for k in counts.values())


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
