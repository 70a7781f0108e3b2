"""One sum of many replies, for any kind: what its answer type declares, and counts for whatever it does not."""

import bisect
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from diagmesh.aggregate.fields import Declared, Value, measured
from diagmesh.aggregate.merging import merge, where
from diagmesh.aggregate.worst import Verdict, verdict_rank, worst_of
from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.mesh import Field, MeshAnswer
from diagmesh.contract.names import shown
from diagmesh.contract.wire import Answer, Status
from diagmesh.expected import Gathered

__all__ = ["add_up"]

_MOST_NOTED: Final = 5
_P95: Final = 0.95
_VERDICT_CHARACTERS: Final = 63
_MOST_MADE_UP: Final = 20
_OTHERS: Final = "(others)"
"""Stands for verdicts that this version does not know, above those that are counted by name."""

_STATUS_OF: Final = attrgetter("status")


class _Column(NamedTuple):
    """One declared field over all answers: each value with where it was seen and which reply said it."""

    declared: Declared
    seen: list[tuple[Value, str, int]]


def add_up(gathered: Gathered, answer: type[Answer] | None, *, each: bool = False) -> MeshAnswer:
    """The sum of a gather.

    Args:
        gathered: what came and who is missing.
        answer: the type of the answers, which declares what can be added up; None when the kind is not known here.
        each: hand the single replies on too.
    """
    columns, notes = _read(gathered, answer)
    by_status: Counter[str] = Counter(map(_STATUS_OF, gathered.replies))
    if silent := len(gathered.silent) + gathered.unnamed:
        by_status[Status.SILENT] = silent
    return MeshAnswer(
        of=gathered.kind,
        expected=gathered.expected,
        answered=len(gathered.replies),
        silent=gathered.silent,
        unexpected=gathered.unexpected,
        by_status={str(status): count for status, count in sorted(by_status.items())},
        worst=worst_of(gathered.replies, _bad_verdicts(columns), gathered.silent),
        fields={column.declared.path: _field(column) for column in columns},
        findings=merge(gathered.replies),
        ended=gathered.ended,
        each=tuple(gathered.replies) if each else None,
        notes=(*gathered.notes, *notes),
    )


def _read(gathered: Gathered, answer: type[Answer] | None) -> tuple[list[_Column], list[str]]:
    """The declared fields that anybody saw, and what could not be read."""
    if answer is None:
        return [], [f"the answer type of {gathered.kind!r} is not known here: counts only"]
    reader = measured(answer)
    rows: list[Sequence[Value]] = []
    owners: list[int] = []
    unread: list[str] = []
    for number, reply in enumerate(gathered.replies):
        if isinstance(reply.answer, msgspec.Raw):
            try:
                rows.append(reader.read(reply.answer))
                owners.append(number)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                unread.append(f"{where(reply)} ({error})")
    places = [where(gathered.replies[number]) for number in owners]
    columns = []
    for declared, values in zip(reader.fields, zip(*rows, strict=True), strict=False):
        told = _verdicts(declared.mark, values) if isinstance(declared.mark, Ranked) else values
        seen = [one for one in zip(told, places, owners, strict=True) if one[0] is not None]
        if seen:
            columns.append(_Column(declared, seen))
    return columns, _unread(unread)


def _verdicts(mark: Ranked, values: Sequence[Value]) -> list[Value]:
    """Verdicts as they are told: of those that nobody here knows only some, and short; all of them count."""
    known: dict[Value, Value] = {None: None, **{value: value for value in mark.best_first}}
    full = len(known) + _MOST_MADE_UP
    for value in values:
        if value not in known and isinstance(value, str):
            known[value] = shown(value, _VERDICT_CHARACTERS) if len(known) < full else _OTHERS
    return [known[value] for value in values]


def _unread(unread: list[str]) -> list[str]:
    if not unread:
        return []
    more = f" and {len(unread) - _MOST_NOTED} more" if len(unread) > _MOST_NOTED else ""
    return [f"answers that could not be added up: {', '.join(unread[:_MOST_NOTED])}{more}"]


def _field(column: _Column) -> Field:
    if isinstance(column.declared.mark, Measure):
        numbers = [(value, place) for value, place, _ in column.seen if isinstance(value, int | float)]
        return _numbers(column.declared.mark, numbers)
    return _ranked(column.declared.mark, [(value, place) for value, place, _ in column.seen if isinstance(value, str)])


def _numbers(mark: Measure, seen: list[tuple[float, str]]) -> Field:
    seen.sort()
    values = [value for value, _ in seen]
    highest = values[-1]
    return Field(
        n=len(values),
        unit=mark.unit,
        min=values[0],
        min_at=seen[0][1],
        median=statistics.median(values),
        p95=values[math.ceil(_P95 * len(values)) - 1],
        max=highest,
        max_at=seen[bisect.bisect_left(values, highest)][1],
    )


def _ranked(mark: Ranked, seen: list[tuple[str, str]]) -> Field:
    counts = Counter(value for value, _ in seen)
    order = sorted(counts, key=lambda value: (verdict_rank(mark, value), value))
    # When the worst is the best there is, it is everywhere and names nobody.
    named = order[-1] if verdict_rank(mark, order[-1]) else None
    return Field(
        n=len(seen),
        counts={value: counts[value] for value in order},
        worst=order[-1],
        worst_at=tuple(sorted(place for value, place in seen if value == named)),
    )


def _bad_verdicts(columns: Sequence[_Column]) -> dict[int, list[Verdict]]:
    """By place among the replies, the verdicts that are not the best there is; nearly always there is none."""
    bad: dict[int, list[Verdict]] = {}
    for (path, mark), seen in columns:
        if isinstance(mark, Ranked):
            best = mark.best_first[0]
            for value, _, owner in seen:
                if value != best and isinstance(value, str):
                    bad.setdefault(owner, []).append(Verdict(path, mark, value))
    return bad
