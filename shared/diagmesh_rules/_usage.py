"""How near to its limits a `resources` answer is; what several rules need, so that one fault has one code."""

from diagmesh.contract.answers.resources import Resources, ToLimit, Trend

__all__ = ["blind_words", "dead_share", "growth", "meets_limit", "near_memory_limit", "too_short"]


def blind_words(answer: Resources, what: str, otherwise: str) -> str:
    """Why something is missing from the answer: what the sidecar says of it, else these words.

    Args:
        answer: where it is missing.
        what: how the sidecar may call it, as the beginning of `Blind.what`.
        otherwise: the words when the sidecar says nothing of it.
    """
    return next((f"{one.what}: {one.why}" for one in answer.blind if one.what.lower().startswith(what)), otherwise)


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


def meets_limit(trend: Trend, horizon_s: float) -> ToLimit | None:
    """The limit, if it is met within the horizon by a growth that is beyond doubt."""
    limit = trend.to_limit
    return limit if limit is not None and trend.slope_low > 0 and limit.likely_s <= horizon_s else None


def too_short(trend: Trend, least_s: float) -> str:
    """Why a growth is not judged yet; empty when it was watched for long enough."""
    return f"it grows, but was watched for {trend.over_s:.0f} s only" if trend.over_s < least_s else ""
