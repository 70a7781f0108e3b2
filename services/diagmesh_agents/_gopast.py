"""The past of a Go runtime at even distances: as many values as a line on a terminal shows."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from diagmesh.contract.answers.runtime import Past
from diagmesh.goruntime import GoSample

__all__ = ["past_of", "rate"]

_VALUES: Final = 30
_LEAST_SAMPLES: Final = 3
_LEAST_EVERY_S: Final = 1.0
_PACE_OF: Final = 5
_WIDER: Final = 1.25
"""A slot is wider than the pace of the looks, so that one without any is a look that is missing."""


def rate(before: float | None, now: float | None, over_s: float | None) -> float | None:
    """How much a counter grew per second; None where either was not seen, or it fell."""
    if before is None or now is None or not over_s or now < before:
        return None
    return (now - before) / over_s


def past_of(samples: Sequence[GoSample], now: float, window_s: float) -> Past | None:
    """What became of the main figures; None with too few samples.

    Args:
        samples: of the window, oldest first.
        now: monotonic seconds.
        window_s: how far back it goes; a shorter past is shown in full.
    """
    if len(samples) < _LEAST_SAMPLES:
        return None
    every_s = max(_LEAST_EVERY_S, min(window_s, now - samples[0].at) / _VALUES, _WIDER * _pace_s(samples))
    slots: list[GoSample | None] = [None] * _VALUES
    for one in samples:
        back = int((now - one.at) / every_s)
        if 0 <= back < _VALUES:
            slots[_VALUES - 1 - back] = one  # the last one of a slot stands for it
    first = next((index for index, one in enumerate(slots) if one is not None), 0)
    slots = slots[first:]
    pairs = _pairs(slots)
    return Past(
        every_s=round(every_s, 3),
        goroutines=tuple(one.goroutines if one is not None else None for one in slots),
        live_bytes=tuple(one.heap_live_bytes if one is not None else None for one in slots),
        allocated_bytes_per_s=tuple(_rounded(_rate(pair, "allocated_bytes"), 0) for pair in pairs),
        cycles_per_s=tuple(_rounded(_rate(pair, "gc_cycles"), 3) for pair in pairs),
        gc_available_share=tuple(_rounded(_share(pair), 4) for pair in pairs),
    )


def _pace_s(samples: Sequence[GoSample]) -> float:
    """How far the last looks are from each other; at a start they come faster than later."""
    return median(later.at - earlier.at for earlier, later in pairwise(samples[-1 - _PACE_OF :]))


Pair = tuple[GoSample, GoSample] | None


def _pairs(slots: Sequence[GoSample | None]) -> list[Pair]:
    """Each sample with the one before it, past gaps; None where there is none."""
    pairs: list[Pair] = []
    before: GoSample | None = None
    for one in slots:
        pairs.append((before, one) if before is not None and one is not None else None)
        before = one or before
    return pairs


def _rate(pair: Pair, field: str) -> float | None:
    if pair is None:
        return None
    before, now = pair
    return rate(getattr(before, field), getattr(now, field), now.at - before.at)


def _share(pair: Pair) -> float | None:
    """Between the last cycles before two samples; none ended in between: nothing was used."""
    if pair is None:
        return None
    before, now = pair
    if None in (before.gc_used_s, now.gc_used_s) or not before.gc_ended_at or not now.gc_ended_at:
        return None
    if now.gc_ended_at <= before.gc_ended_at:
        return 0.0
    used_s = (now.gc_used_s or 0.0) - (before.gc_used_s or 0.0)
    return min(1.0, max(0.0, used_s / (now.gc_ended_at - before.gc_ended_at)))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
