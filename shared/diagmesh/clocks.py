"""How far the clocks of others are ahead of ours, as intervals: what an answer cannot tell exactly it never tells."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from diagmesh.contract.wire import Reply
from diagmesh.expected import Gathered, Key

__all__ = ["Offset", "offset", "offsets_of"]

_GRAIN_S: Final = 0.001
"""Replies tell their time in whole milliseconds, cut off."""


class Offset(NamedTuple):
    """The clock of an instance is ahead of ours by no less and no more than this (seconds; negative: behind)."""

    low_s: float
    high_s: float

    def meet(self, other: "Offset") -> "Offset":
        """What two measurements say together; both of them where they exclude each other: a clock was set."""
        low_s, high_s = max(self.low_s, other.low_s), min(self.high_s, other.high_s)
        if low_s <= high_s:
            return Offset(low_s, high_s)
        return Offset(min(self.low_s, other.low_s), max(self.high_s, other.high_s))


def offset(reply: Reply, asked_at: datetime, came_at: datetime) -> Offset | None:
    """What one reply tells; None when it does not say when it was made.

    It was made before it came, and the work on it began after it was asked for: a slow way makes the interval wide.

    Args:
        reply: with the time and the length of its making, by the clock of its sender.
        asked_at: a moment not after the question was sent, by our clock.
        came_at: a moment not before the reply came, by our clock.
    """
    made_at = reply.observed_at
    if made_at is None or made_at.tzinfo is None:
        return None
    low_s = (made_at - came_at).total_seconds()
    high_s = (made_at - asked_at).total_seconds() + _GRAIN_S - max(0.0, reply.took_ms / 1000)
    return Offset(min(low_s, high_s), max(low_s, high_s))


def offsets_of(gathered: Iterable[Gathered]) -> dict[Key, Offset]:
    """By instance, what all of its replies together tell."""
    found: dict[Key, Offset] = {}
    for one in gathered:
        if one.asked_at is None:
            continue
        for reply, arrived_s in zip(one.replies, one.arrived_s, strict=True):
            told = offset(reply, one.asked_at, one.asked_at + timedelta(seconds=arrived_s))
            if told is not None:
                key = Key(reply.service, reply.instance)
                found[key] = told.meet(found[key]) if key in found else told
    return found
