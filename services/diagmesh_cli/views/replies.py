"""Replies on the terminal: one in full, many as rows, and what they add up to."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.client import Heard, MeshResult
from diagmesh.contract.mesh import Ended, Field, MeshAnswer
from diagmesh.errors import Unreadable
from diagmesh_cli.views.parts import (
    finding_lines,
    indented,
    not_asked_lines,
    origin,
    problem_line,
    silent_lines,
    unexpected_lines,
)
from diagmesh_cli.views.table import view_of
from diagmesh_cli.views.words import plural, quantity, verdict, whose

__all__ = ["page", "rows", "sum_of"]

_MOST_FIELDS: Final = 40
_WIDE: Final = 100


def page(heard: Heard[Any]) -> RenderableType:
    """One reply in full."""
    parts: list[RenderableType] = [origin(heard.reply)]
    if heard.problem is not None:
        parts.append(problem_line(heard.problem))
    else:
        try:
            parts.append(view_of(heard.reply.kind).page(heard.answer))
        except Unreadable as error:
            parts.append(_unreadable(error))
    return Group(*parts, *finding_lines(heard.reply.findings))


def rows(each: Sequence[Heard[Any]], kind: str) -> Iterator[RenderableType]:
    """A row per answer, then a line per problem."""
    view, problems = view_of(kind), list[RenderableType]()
    table = Table(box=None, pad_edge=False)
    table.add_column("INSTANCE", overflow="fold", min_width=10)
    for name in view.columns:
        last = name == view.columns[-1]
        table.add_column(name, no_wrap=not last, overflow="fold" if last else "ellipsis")
    for heard in sorted(each, key=lambda one: one.where):
        where = Text(heard.where, "bold")
        try:
            if heard.problem is not None:
                problems.append(indented(Text.assemble(where, "  ", problem_line(heard.problem))))
            else:
                table.add_row(where, *view.row(heard.answer))
        except Unreadable as error:
            problems.append(indented(Text.assemble(where, "  ", _unreadable(error))))
    if table.row_count:
        yield table
    yield from problems


def sum_of(result: MeshResult[Any], width: int) -> RenderableType:
    """A sum: how many, the verdicts, whom to look at first, the numbers, who is missing and why.

    Args:
        result: what came.
        width: of the terminal; a narrow one gets fewer columns.
    """
    answer = result.answer
    parts: list[RenderableType] = [_headline(result)]
    verdicts = {name: field for name, field in answer.fields.items() if field.counts}
    parts += [_counts(name, field) for name, field in verdicts.items()]
    if answer.worst is not None and not result.each:
        where = whose(answer.worst.service, answer.worst.instance)
        parts.append(Text.assemble("look first at ", (where, "bold"), f": {answer.worst.reason}"))
    if (merged := _merged(answer)) is not None:
        parts += [Text(), merged]
    if result.each:
        parts += [Text(), *rows(result.each, answer.of)]
    elif merged is None and len(verdicts) < len(answer.fields):
        parts += [Text(), *_numbers(answer, width)]
    parts += [*silent_lines(answer.silent), *not_asked_lines(answer.not_asked)]
    parts += [*unexpected_lines(answer.unexpected), *finding_lines(answer.findings)]
    parts += [indented(Text(f"note: {note}", "dim")) for note in answer.notes]
    return Group(*parts)


def _merged(answer: MeshAnswer) -> RenderableType | None:
    """All answers as one, of kinds that are told so."""
    view = view_of(answer.of)
    if view.answer is None or not isinstance(answer.merged, msgspec.Raw):
        return None
    try:
        return view.page(msgspec.json.decode(answer.merged, type=view.answer))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Text("the sum of all answers is of another version; --json shows what came", "red")


def _headline(result: MeshResult[Any]) -> Text:
    answer = result.answer
    text = Text.assemble((answer.of, "bold"), f" · {answer.answered} of {plural(answer.expected, 'instance')} answered")
    others = {status: count for status, count in answer.by_status.items() if status not in ("answered", "silent")}
    others["unavailable"] = others.get("unavailable", 0) - answer.without
    for status, count in others.items():
        if count > 0:
            text.append(f", {count} {status}", "yellow")
    if answer.without:
        text.append(f", {answer.without} without any", "dim")
    if answer.silent:
        text.append(f", {len(answer.silent)} silent", "red")
    if answer.not_asked:
        text.append(f", {len(answer.not_asked)} not asked", "yellow")
    if answer.ended is not Ended.COMPLETE:
        text.append(f" · ended: {answer.ended}", "yellow")
    return text.append(f" · by {result.coordinator}" if result.coordinator else " · added up here", "dim")


def _counts(name: str, field: Field) -> Text:
    text = Text(f"{name}: ", "dim")
    for position, (word, count) in enumerate(field.counts.items()):
        text.append(", " if position else "").append(f"{count} ").append_text(verdict(word))
    return text


def _numbers(answer: MeshAnswer, width: int) -> Iterator[RenderableType]:
    """A row per measured field; on a narrow terminal without minimum and 95th percentile."""
    wide = width >= _WIDE
    table = Table(box=None, pad_edge=False)
    table.add_column("FIELD", no_wrap=True)
    for name in ("MIN", "MEDIAN", "P95", "MAX") if wide else ("MEDIAN", "MAX"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("MAX AT", overflow="fold")
    numbers = {name: field for name, field in answer.fields.items() if not field.counts}
    zero = [name for name, field in numbers.items() if field.min == field.max == 0]
    for name, field in list(numbers.items())[:_MOST_FIELDS]:
        if name in zero:
            continue
        values = (field.min, field.median, field.p95, field.max) if wide else (field.median, field.max)
        # Where all are alike, it says nothing which of them is the largest.
        where = field.max_at if field.max != field.min or field.n == 1 else ""
        some = f" ({field.n} of {answer.answered})" if field.n < answer.answered else ""
        table.add_row(Text(name).append(some, "dim"), *(quantity(value, field.unit) for value in values), where)
    if table.row_count:
        yield table
    if zero:
        yield Text(f"zero everywhere: {', '.join(zero)}", "dim")
    if len(numbers) > _MOST_FIELDS:
        yield Text(f"… and {len(numbers) - _MOST_FIELDS} more (--json shows all)", "dim")


def _unreadable(error: Unreadable) -> Text:
    return Text(f"{error}; --json shows what came", "red")
