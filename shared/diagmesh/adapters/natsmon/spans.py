"""Spans of time as Go and nats-server write them: ``2.171395ms``, ``1m2s``, ``3d4h5m6s``."""

import re
from typing import Final

__all__ = ["parse_span_s"]

_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ns|us|µs|μs|ms|y|d|h|m|s)", re.ASCII)
_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "y": 365 * 86400.0,
}
_LONGEST: Final = 100


def parse_span_s(text: str) -> float | None:
    """Seconds; None for what is no span (an empty text, one of a newer form).

    Args:
        text: as in ``rtt``, ``uptime`` and ``idle`` of a connection.
    """
    seconds, at = 0.0, 0
    if not text or len(text) > _LONGEST:
        return None
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return 0.0 if text == "0" else None
        seconds += float(part[1]) * _SECONDS[part[2]]
        at = part.end()
    return seconds
