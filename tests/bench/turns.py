"""Contestants in turn, so that all of them see the same machine; of what came: the median, and how far it strayed."""

from collections.abc import Callable, Hashable, Mapping
from statistics import median
from typing import TypeVar

from bench.report import Row

__all__ = ["Seen", "Values", "in_turn", "medians", "row"]

K = TypeVar("K", bound=Hashable)
Values = dict[str, float]
Seen = dict[K, list[Values]]


def in_turn(turns: int, contestants: Mapping[K, Callable[[], Values]]) -> Seen[K]:
    """A B C A B C …: what each measured, turn by turn."""
    seen: Seen[K] = {who: [] for who in contestants}
    for _ in range(turns):
        for who, measure in contestants.items():
            seen[who].append(measure())
    return seen


def medians(many: list[Values]) -> Values:
    """The median of every value over the turns."""
    return {name: median(one[name] for one in many) for name in many[0]}


def row(part: str, case: str, who: str, many: list[Values], ratios: Mapping[str, tuple[str, list[Values]]]) -> Row:
    """One line of the table.

    Args:
        part: of the bench.
        case: what was asked.
        who: ours, or a peer.
        many: what was measured, turn by turn; the first value is the one whose spread is told.
        ratios: by name, which value is compared, and what the other one measured.
    """
    values = medians(many)
    first = [one[next(iter(values))] for one in many]
    return Row(
        part=part,
        case=case,
        who=who,
        values=values,
        ratios={name: values[what] / medians(other)[what] for name, (what, other) in ratios.items() if other},
        spread=(max(first) - min(first)) / median(first) if len(first) > 1 and median(first) else None,
    )
