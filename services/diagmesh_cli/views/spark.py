"""A row of numbers as a line in a cell, drawn with what the terminal knows."""

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from diagmesh_cli.sparkline import ASCII, BLOCKS, sparkline

__all__ = ["Spark"]


class Spark:
    """The last of them, as many as there is room for.

    Args:
        values: oldest first; None is a gap.
        most: of them are drawn.
    """

    def __init__(self, values: Sequence[float | None], most: int) -> None:
        self._values = values[-most:]

    def __rich_measure__(self, _: Console, options: ConsoleOptions) -> Measurement:
        """As wide as it is, or as there is room."""
        wide = min(len(self._values), options.max_width)
        return Measurement(min(1, wide), wide)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The end of it."""
        blocks = BLOCKS if console.encoding.lower().startswith("utf") else ASCII
        yield Text(sparkline(self._values[-max(1, options.max_width) :], blocks), no_wrap=True)
