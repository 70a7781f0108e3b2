"""Numbers as the titles of findings tell them."""

from datetime import UTC, datetime
from typing import Final

__all__ = ["DAY_S", "duration", "moment", "percent", "size"]

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
_KIB: Final = 1024.0


def duration(seconds: float) -> str:
    """``12 s``, ``5 min``, ``2.5 h``, ``3 d``."""
    for least, unit in ((DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= 2 * least:
            return f"{seconds / least:.3g} {unit}"
    return f"{seconds:.3g} s"


def moment(at: datetime) -> str:
    """``2026-11-27T02:34:40Z``: to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def percent(share: float) -> str:
    """``93 %``."""
    return f"{100 * share:.3g} %"


def size(count_bytes: float) -> str:
    """``1.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count_bytes) < _KIB:
            return f"{count_bytes:.3g} {unit}"
        count_bytes /= _KIB
    return f"{count_bytes:.3g} TiB"
