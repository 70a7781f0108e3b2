"""Any kind that has no view of its own: what its answer says, field by field."""

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING

__all__ = ["VIEW"]

_MOST_ITEMS: Final = 50
_IN_ROW: Final = 4


def _page(answer: Any) -> RenderableType:
    """Scalars first, then every list of objects as a table of its own."""
    if not isinstance(answer, dict):
        return Text(_scalar(answer))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    lists: list[RenderableType] = []
    for path, value in _flat(answer):
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            lists += [Text(), Text(path, "dim"), _items(value)]
        else:
            table.add_row(path, _scalar(value))
    return Group(table, *lists)


def _row(answer: Any) -> tuple[Cell, ...]:
    pairs = _flat(answer) if isinstance(answer, dict) else iter([("", answer)])
    scalars = [f"{path}={_scalar(value)}" for path, value in pairs if not isinstance(value, list | dict)]
    return (Text(" ".join(scalars[:_IN_ROW]) + (" …" if len(scalars) > _IN_ROW else "")),)


def _flat(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _items(items: list[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for item in items[:_MOST_ITEMS] for name in item))
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name.upper())
    for item in items[:_MOST_ITEMS]:
        table.add_row(*(Text(_scalar(item.get(name))) for name in names))
    if len(items) > _MOST_ITEMS:
        table.add_row(Text(f"… and {len(items) - _MOST_ITEMS} more (--json shows all)", "dim"))
    return table


def _scalar(value: Any) -> str:
    match value:
        case None:
            return MISSING
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
        case list():
            return ", ".join(map(_scalar, value)) or "none"
        case dict():
            return ", ".join(f"{key}={_scalar(inner)}" for key, inner in value.items()) or "none"
        case _:
            return str(value)


VIEW: Final = View(answer=None, columns=("ANSWER",), row=_row, page=_page)
