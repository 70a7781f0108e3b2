"""`profile`: a table per sample type, the heaviest first, as ``pprof -top`` shows it; callers and callees; the cost."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.contract.answers.profile import Counted, Edge, Peeked, Profile, Row
from diagmesh_cli.views.parts import blind_lines, indented
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, amount, cores, duration, plural, share, size, took

__all__ = ["VIEW", "counted_part", "is_earlier", "place", "value"]

_TIMES: Final = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_MOST_LABELS: Final = 5
_MOST_ROWS: Final = 5
"""Of each, where several things were counted."""
_MOST_ADDED: Final = 15
_EARLIER: Final = ("previous", "baseline", "the profile in ")
_LOOKS: Final = re.compile(r"\A(?:previous|baseline)\b")


def value(number: int, unit: str, *, signed: bool = False) -> str:
    """A value of a profile at a glance: ``1.25s``, ``3.4 MiB``; the JSON has every digit."""
    sign = "+" if signed and number > 0 else ""
    match unit:
        case "nanoseconds":
            factor, name = next((one for one in _TIMES if abs(number) >= one[0]), _TIMES[-1])
            return (
                f"{sign}{number / factor:.3g} {name}"
                if abs(number) < 1000 * factor
                else f"{sign}{number / factor:,.0f} {name}"
            )
        case "bytes":
            return f"{sign}{size(number)}"
        case _:
            return f"{sign}{number:,}"


def is_earlier(base: str) -> bool:
    """Whether something is compared with what was before; else it is with siblings, at the same time."""
    return base.startswith(_EARLIER)


def place(row: Row) -> str:
    """``memory.go:23``: the last part of the path says enough at a glance."""
    file = row.file.rpartition("/")[2]
    return f"{file}:{row.line}" if file and row.line else file


def short(name: str) -> str:
    """A function without the path of its package: ``harm.Spin.func1``."""
    last = name.rpartition("/")[2] if "/" in name.partition("(")[0] else name
    return last.replace("%2e", ".")  # as Go writes a dot in the last part of an import path


def _page(answer: Profile) -> RenderableType:
    parts: list[RenderableType] = []
    for one in answer.counted:
        rows = _MOST_ROWS if len(answer.counted) > 1 else _MOST_ADDED if one.service else None
        parts += [*([Text()] if parts else []), *counted_part(one, rows)]
    if answer.cost is not None:
        cost = answer.cost
        read = f"; read by a process of its own in {took(cost.read_cpu_ms)} of CPU, {size(cost.read_rss_bytes)}"
        parts += [
            Text(),
            Text(f"cost: {cost.words}; {size(cost.fetched_bytes)} sent in {took(cost.took_ms)}{read}", "dim"),
        ]
    for raw in answer.raw:
        where = raw.object or (
            f"kept by its sidecar for {duration(raw.kept_s)}: it fits into no reply"
            if raw.kept_s
            else "in the answer (--json has it; diagmesh profile --raw FILE keeps it)"
        )
        parts.append(Text(f"file: {raw.type}, {size(raw.size_bytes)}, {where}", "dim"))
    return Group(*parts, *blind_lines(answer.blind))


def counted_part(one: Counted, most: int | None = None) -> Iterator[RenderableType]:
    """One sample type.

    Args:
        one: what was counted.
        most: so many rows, however many there are.
    """
    yield _head(one)
    left = one.rows_left + len(one.rows[most:] if most else ())
    if one.rows:
        yield _table(one.rows[:most], one, "FUNCTION")
    elif one.base:
        yield indented(Text("nothing changed" if is_earlier(one.base) else "no difference", "dim"))
    else:
        yield indented(Text("nothing was counted", "dim"))
    if left:
        yield indented(Text(f"… and {left:,} more (--json shows all)", "dim"))
    if one.short_by:
        lacks = f"flat values may lack up to {value(one.short_by, one.unit)}: replicas told their heaviest rows only"
        yield indented(Text(lacks, "dim"))
    if one.lines:
        yield Text()
        yield _table(one.lines, one, "LINE")
    if one.blamed and one.blamed[0].function != one.rows[0].function:
        yield Text.assemble(("mostly the doing of ", "dim"), *_doing(one.blamed[:2], one))
    for each in one.peeked:
        yield from _peek(each, one)
    for key, values in one.labels.items():
        if key == "bytes":
            continue  # the sizes of objects, in every heap profile of Go
        told = ", ".join(f"{text} {value(number, one.unit)}" for text, number in list(values.items())[:_MOST_LABELS])
        yield Text(f"label {key}: {told}", "dim")


def _head(one: Counted) -> Text:
    name = f"{one.type} · {one.sample}" if one.type and one.type != one.sample else one.sample
    whose = f"{one.service}: {plural(one.replicas, 'replica')} added up, " if one.service else ""
    text = Text.assemble(whose, (name, "bold"))
    if one.base:
        against, then = ("changed since", " then") if is_earlier(one.base) else ("against", "")
        base = _LOOKS.sub(r"the \g<0> look", one.base)
        return text.append(f": {against} {base}; shares are of {value(one.total, one.unit)}{then}")
    text.append(f": {value(one.total, one.unit)}")
    if one.over_s:
        text.append(f" in {duration(one.over_s)}")
    if one.per_s is not None:
        text.append(f", {_rate(one)}")
    return text


def _rate(one: Counted) -> str:
    per_s = one.per_s or 0.0
    if one.sample == "cpu":
        return f"{cores(per_s)} cores"
    if one.unit == "bytes":
        return f"{size(per_s)}/s"
    return _seconds(per_s) if one.unit == "nanoseconds" else f"{amount(per_s)}/s"


def _seconds(per_s: float) -> str:
    return f"{per_s:.2g} s/s" if per_s >= 0.001 else "0 s/s"


def _table(rows: Sequence[Row], one: Counted, what: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("FLAT", "", "CUM", ""):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(what, overflow="fold", ratio=3)
    table.add_column("AT", overflow="fold", no_wrap=False)
    for row in rows:
        flat, cum = (value(number, one.unit, signed=bool(one.base)) for number in (row.flat, row.cum))
        style = "" if not one.base or not row.flat else "red" if row.flat > 0 else "green"
        name = short(row.function) or row.name
        table.add_row(
            Text(flat, style), share(row.flat_share), Text(cum), share(row.cum_share), name, Text(place(row), "dim")
        )
    return table


def _doing(rows: Sequence[Row], one: Counted) -> Iterator[Text]:
    for number, row in enumerate(rows):
        at = f" ({place(row)})" if place(row) else ""
        yield Text(f"{', ' if number else ''}{short(row.function) or row.name}{at} {share(row.flat_share)}")
    if not rows:
        yield Text(one.sample)


def _peek(peeked: Peeked, one: Counted) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble(
        (short(peeked.function), "bold"), f": flat {value(peeked.flat, one.unit)}, cum {value(peeked.cum, one.unit)}"
    )
    for word, edges in (("called by", peeked.callers), ("calls", peeked.callees)):
        yield from _edges(word, edges, one.unit)


def _edges(word: str, edges: Sequence[Edge], unit: str) -> Iterator[RenderableType]:
    for edge in edges:
        yield indented(Text(f"{word} {short(edge.function)}  {value(edge.value, unit)}"))


def _row(answer: Profile) -> tuple[Cell, ...]:
    hot = next((one for one in answer.counted if one.sample == "cpu"), answer.counted[0] if answer.counted else None)
    top = next(iter(hot.blamed or hot.rows), None) if hot is not None else None
    words = f"{short(top.function) or top.name} {share(top.flat_share)} of {hot.sample}" if hot and top else ""
    waits = _seconds(answer.mutex_wait) if answer.mutex_wait is not None else MISSING
    allocs = f"{size(answer.alloc_bytes_per_s)}/s" if answer.alloc_bytes_per_s is not None else MISSING
    return cores(answer.cpu_cores), size(answer.heap_bytes), allocs, waits, words


VIEW: Final = View(
    answer=Profile,
    columns=("CORES", "HEAP", "ALLOCATES", "LOCKS", "MOST OF IT"),
    row=_row,
    page=_page,
    watched=("cpu_cores", "heap_bytes", "alloc_bytes_per_s", "mutex_wait"),
)
