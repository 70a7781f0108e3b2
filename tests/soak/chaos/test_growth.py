"""What grows is seen among what only goes up and down, and what is left over at rest is named."""

import os
import random
from pathlib import Path

import pytest

from soak.chaos.cluster import Standing
from soak.chaos.growth import MOST_THREADS, Sample, growing, left_over, look


def series(per_minute: float, noise: float, measure: str = "rss_mib", minutes: int = 60) -> list[Sample]:
    dice = random.Random(1)  # noqa: S311  the same every time
    return [
        Sample("a", 1, float(at), **{measure: 40.0 + per_minute * at / 60 + dice.uniform(-noise, noise)})  # type: ignore[arg-type]
        for at in range(0, 60 * minutes, 3)
    ]


@pytest.mark.parametrize(
    ("per_minute", "noise", "measure", "bad"),
    [
        (0.0, 10.0, "rss_mib", False),
        (0.03, 2.0, "rss_mib", False),
        (0.2, 10.0, "rss_mib", True),
        (0.05, 3.0, "descriptors", True),
        (0.01, 3.0, "descriptors", False),
        (0.02, 0.0, "subscriptions", True),
    ],
)
def test_a_trend_is_told_from_noise(per_minute: float, noise: float, measure: str, bad: bool) -> None:
    (found,) = growing(series(per_minute, noise, measure), 600.0)
    assert found.bad is bad, found


def test_what_was_before_does_not_count() -> None:
    steep = [Sample("a", 1, float(at), rss_mib=min(40.0, at / 10)) for at in range(3000)]
    assert not growing(steep, 600.0)[0].bad
    assert growing(steep, 0.0)[0].last == 40.0


def test_one_peak_is_no_growth() -> None:
    samples = [Sample("a", 1, float(at), tasks=60 if at > 2950 else 20) for at in range(3000)]
    assert not growing(samples, 0.0)[0].bad


def test_threads_may_fill_their_pools() -> None:
    for most, bad in ((MOST_THREADS, False), (MOST_THREADS + 1, True)):
        samples = [Sample("a", 1, float(at), threads=min(most, 3 + at // 100)) for at in range(3000)]
        assert growing(samples, 0.0)[0].bad is bad


def test_what_is_left_over_is_named() -> None:
    before = [Sample("a", 1, 0.0, descriptors=14, tasks=20, subscriptions=12)]
    assert left_over(before, [Sample("a", 1, 9.0, descriptors=15, tasks=21, subscriptions=12)]) == []
    after = [Sample("a", 1, 9.0, descriptors=20, tasks=20, subscriptions=13), Sample("a", 1, 9.1, descriptors=17)]
    assert left_over(before, after) == [
        "a keeps 17 descriptors, 14 before the first fault",
        "a keeps 13 subscriptions, 12 before the first fault",
    ]


def test_a_look_at_ourselves(tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("7")
    seen = look("a", os.getpid(), tmp_path / "tasks", {"a": Standing("n1", ("x", "y"))})
    assert (seen.tasks, seen.subscriptions) == (7, 2)
    assert seen.rss_mib is not None
    assert seen.rss_mib > 10
    assert seen.descriptors
    assert seen.threads
    gone = look("b", 2**22 + 1, tmp_path / "none", {})
    assert (gone.rss_mib, gone.tasks, gone.subscriptions) == (None, None, None)
