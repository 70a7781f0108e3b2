"""How near to its limits a `resources` answer is; what several rules need, so that one fault has one code."""

from typing import Final, NamedTuple

from diagmesh.contract.answers.resources import Resources, ToLimit, Trend
from diagmesh.declare import Unjudged
from diagmesh.expected import Key

__all__ = [
    "Unseen",
    "Until",
    "Watch",
    "blind_words",
    "cpu_too_short",
    "dead_share",
    "growth",
    "meets_limit",
    "memory_left",
    "near_memory_limit",
    "no_trend",
]

_TREND_SAMPLES: Final = 6
_TREND_USUALLY_S: Final = 4.0
_TREND_S: Final = 30.0
"""The samples that a trend needs are taken within the first few seconds; after so many it is no matter of time."""
_GOES_ON_SHARE: Final = 0.5
"""A growth whose later half is so much flatter than all of it comes to an end: caches fill, then stay."""
_SLOWEST_PACE_S: Final = 30.0


class Unseen(NamedTuple):
    """Why something is not judged, and when it can be if time alone is missing."""

    why: str
    again_in_s: float | None = None

    def at(self, where: Key) -> Unjudged:
        """The same, of this instance."""
        return Unjudged(where=where, why=self.why, again_in_s=self.again_in_s)


class Until(NamedTuple):
    """What grows, how much of it is left (None: not seen), and the name of the limit."""

    what: str
    left: float | None
    limit: str


class Watch(NamedTuple):
    """How far ahead a growth matters, and for how long it must have been watched."""

    horizon_s: float
    least_over_s: float


def blind_words(answer: Resources, what: str, otherwise: str) -> str:
    """Why something is missing from the answer: what the sidecar says of it, else these words.

    Args:
        answer: where it is missing.
        what: how the sidecar may call it, as the beginning of `Blind.what`.
        otherwise: the words when the sidecar says nothing of it.
    """
    return next((f"{one.what}: {one.why}" for one in answer.blind if one.what.lower().startswith(what)), otherwise)


def cpu_too_short(answer: Resources, least_over_s: float) -> Unseen:
    """Why the use of CPU is not judged: it was not watched for long enough."""
    lately = answer.cpu.lately
    why = f"its CPU use was seen over less than {least_over_s:g} s"
    if lately is None or answer.watched_s is None or answer.watched_s > least_over_s + _SLOWEST_PACE_S:
        return Unseen(why)
    return Unseen(why, max(1.0, least_over_s - lately.over_s))


def near_memory_limit(answer: Resources, share: float) -> bool:
    """Whether the working set of the cgroup has reached this share of its limit."""
    group = answer.memory.cgroup
    return group is not None and group.share_of_limit is not None and group.share_of_limit >= share


def dead_share(answer: Resources) -> float:
    """The share of the descriptors held that are connections whose peer is gone; zero where sockets were not seen."""
    held = answer.descriptors.held
    return answer.sockets.close_wait / held if answer.sockets is not None and held else 0.0


def growth(trend: Trend) -> float:
    """How much it surely grew while it was watched, in the unit of the value."""
    return max(0.0, trend.slope_low) * trend.over_s


def memory_left(answer: Resources) -> int | None:
    """How much more memory it can have: up to the limit of its cgroup, or what the host has left."""
    group = answer.memory.cgroup.headroom_bytes if answer.memory.cgroup is not None else None
    host = answer.host.memory_available_bytes if answer.host is not None else None
    return min((one for one in (group, host) if one is not None), default=None)


def meets_limit(answer: Resources, trend: Trend, until: Until, watch: Watch) -> ToLimit | Unseen | None:
    """The limit that a growth meets within the horizon; None when it does not; or why that is not known.

    Args:
        answer: of whom.
        trend: how it grows.
        until: what is left, and until where.
        watch: how far ahead to look, and how long it must have been watched for that.
    """
    limit = _limit(trend, until)
    if trend.slope_low <= 0:
        return None
    if limit is None:
        return Unseen(f"growth of {until.what} was seen, but no limit of it")
    if trend.over_s >= watch.least_over_s:
        if trend.late_slope is not None and trend.late_slope < _GOES_ON_SHARE * trend.slope:
            return None
        return limit if limit.likely_s <= watch.horizon_s else None
    if limit.earliest_s > watch.horizon_s:
        return None  # however uncertain so short a look is: even at its steepest it would not get there
    again_in_s = watch.least_over_s - trend.over_s
    young = answer.watched_s is not None and answer.watched_s < watch.least_over_s + _SLOWEST_PACE_S
    why = f"growth of {until.what} was seen, but watched for less than {watch.least_over_s:g} s"
    return Unseen(why, again_in_s if young else None)


def no_trend(answer: Resources, what: str, blind: str) -> Unseen:
    """Why there is no trend: one or two seconds after a start time alone is missing."""
    if 0 < answer.ring_samples < _TREND_SAMPLES and answer.watched_s is not None and answer.watched_s < _TREND_S:
        again_in_s = max(1.0, _TREND_USUALLY_S - answer.watched_s)
        return Unseen(f"there are too few samples of {what} for a trend yet", again_in_s)
    return Unseen(blind_words(answer, blind, f"no trend of {what} is told (no samples, or asked for brief)"))


def _limit(trend: Trend, until: Until) -> ToLimit | None:
    """As the sidecar told it, which leaves out what is far ahead; else from what is left."""
    if trend.to_limit is not None or until.left is None or trend.slope_low <= 0:
        return trend.to_limit
    left = max(0.0, until.left)
    return ToLimit(
        limit=until.limit,
        headroom=left,
        earliest_s=left / trend.slope_high,
        likely_s=left / trend.slope,
        latest_s=left / trend.slope_low,
    )
