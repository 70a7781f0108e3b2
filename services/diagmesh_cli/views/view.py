"""How one kind is shown: a row among others, and a page of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rich.console import RenderableType

from diagmesh.contract.wire import Answer

__all__ = ["Cell", "View", "view_of"]

Cell = str | RenderableType


@dataclass(frozen=True, kw_only=True)
class View:
    """The view of one kind.

    Args:
        answer: the type that answers are decoded into; None for a tree of plain values.
        columns: headings of the row; the last one may wrap, the others never do.
        row: one answer as cells, as many as columns.
        page: one answer in full.
    """

    answer: type[Answer] | None
    columns: tuple[str, ...]
    row: Callable[[Any], tuple[Cell, ...]]
    page: Callable[[Any], RenderableType]


@cache
def view_of(kind: str) -> View:
    """The view of a kind (``views/<kind>.py``), or the plain one for a kind that has none."""
    name = f"diagmesh_cli.views.{kind.replace('-', '_')}"
    module = import_module(name) if find_spec(name) is not None else None
    found = getattr(module, "VIEW", None) or import_module("diagmesh_cli.views.plain").VIEW
    assert isinstance(found, View)  # noqa: S101  each view module names its view so
    return found
