"""Thresholds that a stream or consumer carries in its own metadata (``io.nats.monitor.*``), as the nats CLI reads them.

A threshold of zero or less is off, and all of them are where ``io.nats.monitor.enabled`` says false. Durations are
written as the CLI writes them (``30s``, ``1h30m``, ``2d``).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from diagmesh.contract.answers.streams import ConsumerState, StreamState, Threshold

__all__ = ["of_consumer", "of_stream"]

Metadata = Mapping[str, str] | None
Judged = tuple[tuple[Threshold, ...], tuple[str, ...]]
_PREFIX: Final = "io.nats.monitor."
_OFF: Final = frozenset({"false", "False", "FALSE", "f", "F", "0"})
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w|M|y)", re.ASCII)
_UNIT_S: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "w": 7 * 86_400.0,
    "M": 30 * 86_400.0,
    "y": 365 * 86_400.0,
}


class _Seen(NamedTuple):
    """What a threshold is held against; None: nothing to hold against it."""

    value: float | None
    unit: str = "count"
    warns: bool = False
    least: bool = False


def of_consumer(
    metadata: Mapping[str, str] | None, told: ConsumerState
) -> tuple[tuple[Threshold, ...], tuple[str, ...]]:
    """What a consumer breaks of its own thresholds, and which of these cannot be understood."""
    if not metadata or metadata.get(f"{_PREFIX}enabled") in _OFF:
        return (), ()
    never = told.created_age_s
    return _judged(
        metadata,
        {
            "outstanding-ack-critical": _Seen(told.ack_pending),
            "waiting-critical": _Seen(told.waiting),
            "unprocessed-critical": _Seen(told.pending),
            "redelivery-critical": _Seen(told.redelivered),
            "last-delivery-critical": _Seen(told.delivered_age_s if told.delivered_age_s is not None else never, "s"),
            "last-ack-critical": _Seen(told.acked_age_s if told.acked_age_s is not None else never, "s"),
        },
    )


def of_stream(metadata: Metadata, told: StreamState) -> Judged:
    """The same of a stream."""
    if not metadata or metadata.get(f"{_PREFIX}enabled") in _OFF:
        return (), ()
    lags = [one.lag for one in told.sources]
    heard = [one.active_s for one in told.sources if one.active_s is not None]
    peers = [one.lag for one in told.replicas]
    seen = [one.active_s for one in told.replicas if one.active_s is not None]
    found, unreadable = _judged(
        metadata,
        {
            "lag-critical": _Seen(max(lags, default=None)),
            "seen-critical": _Seen(max(heard, default=None), "s"),
            "min-sources": _Seen(len(told.sources), least=True),
            "max-sources": _Seen(len(told.sources) - 1),
            "peer-expect": _Seen(len(told.replicas) + 1 if told.leader is not None else None, least=True),
            "peer-lag-critical": _Seen(max(peers, default=None)),
            "peer-seen-critical": _Seen(max(seen, default=None), "s"),
        },
    )
    counts, wrong = [], []
    for key, value in (("msgs", told.messages), ("subjects", told.distinct_subjects)):
        more, also = _between(metadata, key, value)
        counts += more
        wrong += also
    return (*found, *counts), (*unreadable, *wrong)


def _between(metadata: Mapping[str, str], key: str, value: int) -> tuple[list[Threshold], list[str]]:
    """Counts go wrong upwards, or downwards where the critical threshold is below the warning (as the CLI has it)."""
    limits: dict[str, float] = {}
    wrong = []
    for word in ("warn", "critical"):
        text = metadata.get(f"{_PREFIX}{key}-{word}", "")
        number = _number(text, "count") if text else 0.0
        if number is None:
            wrong.append(f"{key}-{word}={text[:40]}")
        elif number > 0:
            limits[word] = number
    falls = len(limits) == 2 and limits["critical"] < limits["warn"]
    for word in ("critical", "warn"):
        limit = limits.get(word)
        if limit is not None and (value <= limit if falls else value >= limit):
            return [Threshold(key=f"{key}-{word}", value=float(value), limit=limit, warns=word == "warn")], wrong
    return [], wrong


def _judged(metadata: Mapping[str, str], known: Mapping[str, _Seen]) -> Judged:
    wrong: list[str] = []
    return tuple(_broken(metadata, known, wrong)), tuple(wrong)


def _broken(metadata: Mapping[str, str], known: Mapping[str, _Seen], wrong: list[str]) -> Iterator[Threshold]:
    for key, seen in known.items():
        text = metadata.get(_PREFIX + key)
        if text is None:
            continue
        limit = _number(text, seen.unit)
        if limit is None:
            wrong.append(f"{key}={text[:40]}")
        elif limit > 0 and seen.value is not None and (seen.value < limit if seen.least else seen.value >= limit):
            value = seen.value + 1 if key == "max-sources" else seen.value
            yield Threshold(key=key, value=float(value), limit=limit, unit=seen.unit)


def _number(text: str, unit: str) -> float | None:
    """A count or a duration; None when it is neither."""
    text = text.strip()
    if unit == "count" or text == "0":
        return float(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else None
    parts = _PART.findall(text)
    if not parts or "".join(number + one for number, one in parts) != text:
        return None
    return float(sum(float(number) * _UNIT_S[one] for number, one in parts))
