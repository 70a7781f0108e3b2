"""A watch: a line per instance and field, with what it was over the last looks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from diagmesh_cli.history import History, Series, Watched
from diagmesh_cli.sparkline import ASCII, BLOCKS, GAP, sparkline
from diagmesh_cli.views.words import MISSING, plural, quantity, verdict

__all__ = ["WatchView", "plain_lines"]

_NARROWEST: Final = 8
_HEAD_LINES: Final = 4
_MOST_TROUBLES: Final = 5
_TROUBLE_LINES: Final = 2
_WIDE: Final = 100
_NEAR: Final = 0.8
_OVER: Final = 0.95
_STYLE_OF_BEST, _STYLE_OF_WORST, _STYLE_BETWEEN = "green", "bold red", "yellow"


class WatchView:
    """The whole watch, fitted to the terminal whenever it is drawn.

    Args:
        history: what was seen.
        title: what is watched, at which pace.
        at: when the last look was made.
    """

    def __init__(self, history: History, title: str, at: datetime) -> None:
        self._history, self._title, self._at = history, title, at

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it: as many lines as there is room for, those first that gave no answer."""
        history = self._history
        head = Text.assemble((history.kind, "bold"), f" {self._title} · {self._at:%H:%M:%S} · ")
        yield head.append(plural(history.looks, "look"))
        if history.trouble:
            yield Text(history.trouble, "red")
        yield Text()
        room = (options.height or console.height) - _HEAD_LINES if console.is_terminal else len(history.series) * 99
        chosen, fields = _chosen(history, room)
        blocks = BLOCKS if console.encoding.lower().startswith("utf") else ASCII
        yield _table(chosen, fields, options.max_width, blocks)
        troubled = [one for one in chosen if one.trouble and one.trouble != history.trouble]
        for series in troubled[:_MOST_TROUBLES]:
            yield Padding(Text.assemble((series.where, "bold"), " ", (series.trouble, "red")), (0, 0, 0, 2))
        if left := len(history.series) - len(chosen):
            yield Text(f"… and {left:,} more (--json shows all)", "dim")


def plain_lines(history: History, at: datetime, width: int) -> Iterator[Text]:
    """Lines for a log, as wide as it may be at most: each begins with the time and the instance that it tells of."""
    head = Text(f"{at:%H:%M:%S}", "dim")
    if history.trouble:
        yield from _filled(head, _words(history.trouble), width)
        return
    for series in sorted(history.series.values(), key=lambda one: one.where):
        start = head.copy().append(" ").append(series.where, "bold")
        fields = (
            Text.assemble((f"  {field.path} ", "dim")).append_text(_now(series, field)) for field in history.fields
        )
        yield from _filled(start, _words(series.trouble) if series.trouble else fields, width)


def _words(text: str) -> Iterator[Text]:
    return (Text(f" {word}", "red") for word in text.split())


def _filled(start: Text, parts: Iterable[Text], width: int) -> Iterator[Text]:
    """As many parts on each line as there is room for, at least one."""
    line = start.copy()
    for part in parts:
        if len(line) > len(start) and line.cell_len + part.cell_len > width:
            yield line
            line = start.copy()
        line.append_text(part)
    yield line


def _chosen(history: History, room: int) -> tuple[list[Series], Sequence[Watched]]:
    """Whom to show, and how many fields of each."""
    troubled = sum(bool(one.trouble) for one in history.series.values())
    room = max(1, room - _TROUBLE_LINES * min(troubled, _MOST_TROUBLES))
    ordered = sorted(history.series.values(), key=lambda one: (not one.trouble, one.where))[:room]
    each = max(1, min(len(history.fields), room // max(1, len(ordered))))
    return sorted(ordered, key=lambda one: one.where), history.fields[:each]


def _table(chosen: list[Series], fields: Sequence[Watched], width: int, blocks: str) -> Table:
    wide = width >= _WIDE
    table = Table(box=None, pad_edge=False)
    table.add_column("INSTANCE", overflow="ellipsis", no_wrap=True, max_width=max(12, width // 4))
    table.add_column("FIELD", no_wrap=True, overflow="ellipsis", max_width=max(12, width // 4))
    for heading in ("NOW", "LIMIT", "MIN", "MAX") if wide else ("NOW", "MAX"):
        table.add_column(heading, no_wrap=True, justify="right")
    table.add_column("LAST LOOKS", min_width=_NARROWEST)  # the one that gives way
    for series in chosen:
        for number, field in enumerate(fields):
            name = Text(series.where if not number else "", "bold red" if series.trouble else "bold")
            table.add_row(name, field.path, *_numbers(series, field, wide=wide), _line(series, field, blocks))
    return table


def _numbers(series: Series, field: Watched, *, wide: bool) -> list[Text]:
    known = [value for value in series.values.get(field.path, ()) if isinstance(value, int | float)]
    now, limit = _now(series, field), series.limits.get(field.path)
    low, high = (Text(quantity(pick(known), field.unit)) if known else Text("") for pick in (min, max))
    if not wide:
        return [now, high]
    return [now, Text(quantity(limit, field.unit) if limit is not None else "", "dim"), low, high]


def _now(series: Series, field: Watched) -> Text:
    """What it is now, marked where it comes near its limit; a dash when it was not seen."""
    line = series.values.get(field.path)
    value = line[-1] if line else None
    if value is None:
        return Text(MISSING, "red" if series.trouble else "")
    if isinstance(value, str):
        return verdict(value)
    limit = series.limits.get(field.path)
    share = value / limit if limit else 0.0
    return Text(quantity(value, field.unit), "bold red" if share >= _OVER else "yellow" if share >= _NEAR else "")


def _line(series: Series, field: Watched, blocks: str) -> "_Tail":
    """The last looks: numbers as a line that rises and falls, verdicts as blocks that fall from the best."""
    values = tuple(series.values.get(field.path, ()))
    if field.verdicts:
        marks = [_mark(value, field.verdicts, blocks) for value in values]
        return _Tail(len(values), lambda width: Text.assemble(*marks[-width:]))
    numbers = [value if isinstance(value, int | float) else None for value in values]
    return _Tail(len(values), lambda width: Text(sparkline(numbers[-width:], blocks)))


def _mark(value: object, verdicts: Sequence[str], blocks: str) -> tuple[str, str]:
    if value is None:
        return GAP, ""
    rank = verdicts.index(str(value)) if value in verdicts else len(verdicts) - 1
    block = blocks[(len(blocks) - 1) * (len(verdicts) - 1 - rank) // max(1, len(verdicts) - 1)]
    style = _STYLE_OF_BEST if not rank else _STYLE_OF_WORST if rank == len(verdicts) - 1 else _STYLE_BETWEEN
    return block, style


class _Tail:
    """Of many looks the last, as many as there is room for.

    Args:
        count: how many there are.
        draw: draws so many of the last of them.
    """

    def __init__(self, count: int, draw: Callable[[int], Text]) -> None:
        self._count, self._draw = count, draw

    def __rich_measure__(self, _: Console, options: ConsoleOptions) -> Measurement:
        """As wide as it is, or as there is room."""
        least = min(_NARROWEST, options.max_width)
        return Measurement(least, max(least, min(self._count, options.max_width)))

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """The end of it."""
        yield self._draw(max(1, options.max_width))
