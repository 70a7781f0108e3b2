"""A few numbers as a line of blocks, one character each."""

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["ASCII", "BLOCKS", "GAP", "sparkline"]

BLOCKS: Final = "▁▂▃▄▅▆▇█"
ASCII: Final = "_.-~=+*#"
"""For terminals that know no blocks."""
GAP: Final = " "
"""Nothing was seen then."""
_LEAST_SPAN: Final = 0.1
"""A line climbs from bottom to top over a tenth of the size at least: what hardly moves looks as if it hardly moved."""


def sparkline(values: Sequence[float | None], blocks: str = BLOCKS) -> str:
    """One character per value, the lowest and the highest of them at the ends of the scale; None and NaN are gaps."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    # Of half the size, so that no difference between two of them is too large for a number.
    low, high = (min(known) / 2, max(known) / 2) if known else (0.0, 0.0)
    span = max(high - low, _LEAST_SPAN * max(abs(low), abs(high)))
    return "".join(_block(value, low, span, blocks) for value in values)


def _block(value: float | None, low: float, span: float, blocks: str) -> str:
    if value is None or math.isnan(value):
        return GAP
    if math.isinf(value):
        return blocks[-1] if value > 0 else blocks[0]
    part = (value / 2 - low) / span if span else 0.0
    return blocks[min(len(blocks) - 1, int(part * len(blocks)))]
