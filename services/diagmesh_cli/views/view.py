"""How one kind is shown: a row among others, and a page of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from diagmesh.contract.wire import Answer

__all__ = ["Cell", "View"]

Cell = str | RenderableType


def _no_limits(_: Any) -> Mapping[str, float]:
    return {}


@dataclass(frozen=True, kw_only=True)
class View:
    """The view of one kind.

    Args:
        answer: the type that answers are decoded into; None for a tree of plain values.
        columns: headings of the row; the last one may wrap, the others never do.
        row: one answer as cells, as many as columns.
        page: one answer in full.
        watched: the declared fields that a watch shows, by their paths; empty for the first few of them.
        limits: which of these have a limit in an answer.
    """

    answer: type[Answer] | None
    columns: tuple[str, ...]
    row: Callable[[Any], tuple[Cell, ...]]
    page: Callable[[Any], RenderableType]
    watched: tuple[str, ...] = ()
    limits: Callable[[Any], Mapping[str, float]] = _no_limits
