"""How much of what arrives is looked at, and how much of it is kept: whoever floods us costs nobody else his place."""

from typing import Final

from diagmesh.gather.plan import Plan

__all__ = ["NEWCOMERS", "Allowance", "counts_of"]

NEWCOMERS: Final = 1024
"""Replies taken per question above those expected; whoever sends more is cut off."""


def counts_of(plan: Plan) -> list[int]:
    """How many are expected to answer each question of a plan."""
    counts: dict[str, int] = {}
    for one in plan.expected:
        counts[one.key.service] = counts.get(one.key.service, 0) + 1
    return [1 if ask.instance else counts.get(ask.service, 0) for ask in plan.asks]


class Allowance:
    """The room of one gather.

    What arrives is bounded per question, so that the answers to one cannot push out those to another; what is kept is
    bounded over all, and those whom nobody expected have a quarter of it.

    Args:
        plan: what is asked.
        most_bytes: of the replies that are kept, and of those that are looked at per question.
    """

    def __init__(self, plan: Plan, most_bytes: int) -> None:
        self.refused = 0
        self._most_bytes = most_bytes
        self._replies = [
            NEWCOMERS + (0 if ask.instance else 2 * count)
            for ask, count in zip(plan.asks, counts_of(plan), strict=True)
        ]
        self._bytes = [most_bytes] * len(plan.asks)
        self._left = most_bytes
        # Where nobody is expected by name, everybody is a newcomer.
        self._left_for_newcomers = most_bytes // 4 if plan.expected or plan.hoped else most_bytes

    def add(self) -> None:
        """One more question."""
        self._replies.append(NEWCOMERS)
        self._bytes.append(self._most_bytes)

    def looks_at(self, token: int, size: int) -> bool:
        """Whether one more message in reply to this question is looked at."""
        self._replies[token] -= 1
        self._bytes[token] -= size
        return self._or_refused(self._replies[token] >= 0 and self._bytes[token] >= 0)

    def keeps(self, size: int, *, newcomer: bool) -> bool:
        """Whether there is room for one more reply."""
        fits = size <= self._left and (not newcomer or size <= self._left_for_newcomers)
        if fits:
            self._left -= size
            self._left_for_newcomers -= size if newcomer else 0
        return self._or_refused(fits)

    def _or_refused(self, taken: bool) -> bool:
        self.refused += not taken
        return taken
