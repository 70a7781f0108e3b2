"""How an answer type declares which of its fields may be added up over many instances."""

from typing import NamedTuple

__all__ = ["Measure", "Ranked"]


class Measure(NamedTuple):
    """Marks a number: ``Annotated[float | None, Measure("share")]``; aggregated to min, median, p95 and max."""

    unit: str


class Ranked(NamedTuple):
    """Marks a verdict: ``Annotated[State, Ranked(("up", "unknown", "degraded", "down"))]``, best first.

    Aggregated to counts per value, the worst value and where it is.

    Args:
        best_first: its values.
        unknown: the one that says that nothing could be seen.
        well: further ones that are no fault by themselves: only a rule tells whether they are.
    """

    best_first: tuple[str, ...]
    unknown: str = "unknown"
    well: tuple[str, ...] = ()
