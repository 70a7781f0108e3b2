"""Numbers as the titles of findings tell them."""

from datetime import UTC, datetime
from typing import Final

__all__ = ["DAY_S", "duration", "moment", "number", "percent", "size"]

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
_KIB: Final = 1024.0
_SHORT_S: Final = 0.1


def duration(seconds: float) -> str:
    """``14 ms``, ``12 s``, ``5 min``, ``2.5 h``, ``3 d``."""
    for least, unit in ((DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= 2 * least:
            return f"{number(seconds / least)} {unit}"
    return f"{1000 * seconds:.0f} ms" if 0 < seconds < _SHORT_S else f"{number(seconds)} s"


def moment(at: datetime) -> str:
    """``2026-11-27T02:34:40Z``: to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def percent(share: float) -> str:
    """``93 %``."""
    return f"{number(100 * share)} %"


def number(value: float, digits: int = 3) -> str:
    """``0.25``, ``12.3``, ``12,300``: so many digits as mean something, and never an exponent."""
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    return f"{value:,.0f}" if abs(value) >= 1 else f"{value:.{digits}f}"


def size(count_bytes: float) -> str:
    """``1.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count_bytes) < _KIB:
            return f"{number(count_bytes)} {unit}"
        count_bytes /= _KIB
    return f"{number(count_bytes)} TiB"
