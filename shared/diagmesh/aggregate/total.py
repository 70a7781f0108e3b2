"""One sum of many replies, for any kind: what its answer type declares, and counts for whatever it does not."""

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, NamedTuple, cast

import msgspec
from msgspec import UNSET, UnsetType

from diagmesh.aggregate.fields import Declared, Measured, Value, measured
from diagmesh.aggregate.merging import merge, where
from diagmesh.aggregate.worst import Verdict, verdict_rank, worst_of
from diagmesh.contract.codec import encode
from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.mesh import Field, MeshAnswer
from diagmesh.contract.names import shown
from diagmesh.contract.wire import NOT_HERE, Answer, Reply, Status
from diagmesh.expected import Gathered

__all__ = ["add_up"]

_MOST_NOTED: Final = 5
_P95: Final = 0.95
_VERDICT_CHARACTERS: Final = 63
_MOST_MADE_UP: Final = 20
_OTHERS: Final = "(others)"
"""Stands for verdicts that this version does not know, above those that are counted by name."""

_UNREADABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)

_MERGES_NOTHING: Final = getattr(Answer.as_one, "__func__", None)
_NAME_OF: Final = attrgetter("service", "instance")
_STATUS_OF: Final = attrgetter("status")


class _Column(NamedTuple):
    """One declared field over all answers that have it: the values, and which reply said each."""

    declared: Declared
    values: Sequence[Value]
    owners: Sequence[int]


def add_up(gathered: Gathered, answer: type[Answer] | None, *, each: bool = False) -> MeshAnswer:
    """The sum of a gather.

    Args:
        gathered: what came and who is missing.
        answer: the type of the answers, which declares what can be added up; None when the kind is not known here.
        each: hand the single replies on too.
    """
    columns, notes = _read(gathered, answer)
    lacking = _lacking(gathered.replies, answer)
    by_status: Counter[str] = Counter(map(_STATUS_OF, gathered.replies))
    if silent := len(gathered.silent) + gathered.unnamed:
        by_status[Status.SILENT] = silent
    return MeshAnswer(
        of=gathered.kind,
        expected=gathered.expected,
        answered=len(gathered.replies),
        silent=gathered.silent,
        not_asked=gathered.not_asked,
        unexpected=gathered.unexpected,
        by_status={str(status): count for status, count in sorted(by_status.items())},
        without=len(lacking),
        worst=worst_of(gathered.replies, _bad_verdicts(columns), gathered.silent, lacking),
        fields={column.declared.path: _field(column, gathered.replies) for column in columns},
        findings=merge(gathered.replies),
        ended=gathered.ended,
        each=tuple(gathered.replies) if each else None,
        notes=(*gathered.notes, *notes),
        merged=_merged(gathered.replies, answer),
    )


def _lacking(replies: Sequence[Reply], answer: type[Answer] | None) -> frozenset[int]:
    """By place, those who have nothing of the kind, where others have: these are what was asked for."""
    if answer is None or not answer.may_lack or not any(reply.status is Status.ANSWERED for reply in replies):
        return frozenset()
    problems = ((place, reply.problem) for place, reply in enumerate(replies))
    return frozenset(place for place, problem in problems if problem is not None and problem.code == NOT_HERE)


def _merged(replies: Sequence[Reply], answer: type[Answer] | None) -> msgspec.Raw | UnsetType:
    """All answers as one, for kinds that can be told so; without those that cannot be read."""
    if answer is None or getattr(answer.as_one, "__func__", None) is _MERGES_NOTHING:
        return UNSET
    decoder, read = msgspec.json.Decoder(answer), list[tuple[str, Answer]]()
    for reply in replies:
        with contextlib.suppress(*_UNREADABLE):
            if isinstance(reply.answer, msgspec.Raw):
                read.append((where(reply), decoder.decode(reply.answer)))
    one = answer.as_one(read)
    return UNSET if one is None else msgspec.Raw(encode(one))


def _read(gathered: Gathered, answer: type[Answer] | None) -> tuple[list[_Column], list[str]]:
    """The declared fields that anybody saw, and what could not be read."""
    if answer is None:
        return [], [f"the answer type of {gathered.kind!r} is not known here: counts only"]
    reader = measured(answer)
    owners = [number for number, reply in enumerate(gathered.replies) if isinstance(reply.answer, msgspec.Raw)]
    unread: list[str] = []
    try:
        rows = reader.read_all([cast("msgspec.Raw", gathered.replies[owner].answer) for owner in owners])
    except _UNREADABLE:
        rows, owners, unread = _one_by_one(reader, gathered.replies, owners)
    columns = []
    for declared, told in zip(reader.fields, zip(*rows, strict=True), strict=False):
        column = _column(declared, told, owners)
        if column.values:
            columns.append(column)
    return columns, _unread(unread)


def _one_by_one(
    reader: Measured, replies: Sequence[Reply], owners: Sequence[int]
) -> tuple[list[Sequence[Value]], list[int], list[str]]:
    """What can be read, whose it is, and what cannot."""
    rows, read, unread = [], [], []
    for owner in owners:
        try:
            rows.append(reader.read(cast("msgspec.Raw", replies[owner].answer)))
            read.append(owner)
        except _UNREADABLE as error:
            unread.append(f"{where(replies[owner])} ({error})")
    return rows, read, unread


def _column(declared: Declared, told: Sequence[Value], owners: Sequence[int]) -> _Column:
    """Without those who did not see it; nearly always everybody did, so that is told cheaply."""
    if None in told:
        owners = [owner for value, owner in zip(told, owners, strict=True) if value is not None]
        told = [value for value in told if value is not None]
    return _Column(declared, _verdicts(declared.mark, told) if isinstance(declared.mark, Ranked) else told, owners)


def _verdicts(mark: Ranked, values: Sequence[Value]) -> Sequence[Value]:
    """Verdicts as they are told: of those that nobody here knows only some, and short; all of them count."""
    if not (new := set(values).difference(mark.best_first)):
        return values
    known: dict[Value, Value] = {value: value for value in mark.best_first}
    full = len(known) + _MOST_MADE_UP
    for value in filter(new.__contains__, values):
        if value not in known and isinstance(value, str):
            known[value] = shown(value, _VERDICT_CHARACTERS) if len(known) < full else _OTHERS
    return [known[value] for value in values]


def _unread(unread: list[str]) -> list[str]:
    if not unread:
        return []
    more = f" and {len(unread) - _MOST_NOTED} more" if len(unread) > _MOST_NOTED else ""
    return [f"answers that could not be added up: {', '.join(unread[:_MOST_NOTED])}{more}"]


def _field(column: _Column, replies: Sequence[Reply]) -> Field:
    mark = column.declared.mark
    if isinstance(mark, Measure):
        return _numbers(mark, cast("Sequence[float]", column.values), column.owners, replies)
    return _ranked(mark, cast("Sequence[str]", column.values), column.owners, replies)


def _numbers(mark: Measure, values: Sequence[float], owners: Sequence[int], replies: Sequence[Reply]) -> Field:
    ordered = sorted(values)
    lowest, highest = ordered[0], ordered[-1]
    middle, odd = divmod(len(ordered), 2)
    min_at = _first_at(lowest, values, owners, replies)
    return Field(
        n=len(ordered),
        unit=mark.unit,
        min=lowest,
        min_at=min_at,
        median=ordered[middle] if odd else (ordered[middle - 1] + ordered[middle]) / 2,
        p95=ordered[math.ceil(_P95 * len(ordered)) - 1],
        max=highest,
        max_at=min_at if highest == lowest else _first_at(highest, values, owners, replies),
    )


def _ranked(mark: Ranked, values: Sequence[str], owners: Sequence[int], replies: Sequence[Reply]) -> Field:
    counts = Counter(values)
    order = sorted(counts, key=lambda value: (verdict_rank(mark, value), value))
    # When the worst is the best there is, it is everywhere and names nobody.
    named = verdict_rank(mark, order[-1]) > 0
    return Field(
        n=len(values),
        counts={value: counts[value] for value in order},
        worst=order[-1],
        worst_at=tuple(sorted(map(where, _who(order[-1], values, owners, replies)))) if named else (),
    )


def _first_at(wanted: Value, values: Sequence[Value], owners: Sequence[int], replies: Sequence[Reply]) -> str:
    return where(min(_who(wanted, values, owners, replies), key=_NAME_OF))


def _who(wanted: Value, values: Sequence[Value], owners: Sequence[int], replies: Sequence[Reply]) -> list[Reply]:
    """Whose value is the one that is wanted."""
    return [replies[owner] for value, owner in zip(values, owners, strict=True) if value == wanted]


def _bad_verdicts(columns: Sequence[_Column]) -> dict[int, list[Verdict]]:
    """By place among the replies, the verdicts that are not the best there is; nearly always there is none."""
    bad: dict[int, list[Verdict]] = {}
    for (path, mark), values, owners in columns:
        if isinstance(mark, Ranked) and values.count(mark.best_first[0]) < len(values):
            for value, owner in zip(values, owners, strict=True):
                if value != mark.best_first[0] and isinstance(value, str):
                    bad.setdefault(owner, []).append(Verdict(path, mark, value))
    return bad
