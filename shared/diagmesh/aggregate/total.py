"""One sum of many replies, for any kind: what its answer type declares, and counts for whatever it does not."""

import bisect
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from diagmesh.aggregate.fields import Declared, measured
from diagmesh.aggregate.worst import Verdict, verdict_rank, worst_of
from diagmesh.contract.findings import Finding
from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.mesh import Ended, Field, MeshAnswer
from diagmesh.contract.wire import Answer, Reply, Status
from diagmesh.expected import Gathered

__all__ = ["add_up", "merge"]

_MOST_NOTED: Final = 5
_MOST_EVIDENCE: Final = 20
_P95: Final = 0.95

Value = float | str | None
Seen = list[tuple[Value, str]]
"""The values of one field, each with where it was seen."""


def add_up(
    gathered: Gathered, answer: type[Answer] | None, *, each: bool = False, lacking: int = 0, warming: bool = False
) -> MeshAnswer:
    """The sum of a gather.

    Args:
        gathered: what came and who is missing.
        answer: the type of the answers, which declares what can be added up; None when the kind is not known here.
        each: hand the single replies on too.
        lacking: declared replicas that nobody ever saw; they are among the silent already, but not yet expected.
        warming: the asker has not heard long enough to know who should be there.
    """
    rows, fields, notes = _read(gathered, answer)
    by_status = Counter(reply.status.value for reply in gathered.replies)
    if gathered.silent:
        by_status[Status.SILENT.value] = len(gathered.silent)
    declared = () if answer is None else measured(answer).fields
    ranked = [
        (position, field, field.mark.best_first[0])
        for position, field in enumerate(declared)
        if isinstance(field.mark, Ranked)
    ]
    return MeshAnswer(
        of=gathered.kind,
        expected=gathered.expected + lacking,
        answered=len(gathered.replies),
        silent=gathered.silent,
        unexpected=gathered.unexpected,
        by_status=dict(sorted(by_status.items())),
        worst=worst_of(
            [
                (reply, _bad_verdicts(ranked, values) if values else ())
                for reply, values in zip(gathered.replies, rows, strict=True)
            ],
            gathered.silent,
        ),
        fields=fields,
        findings=merge(gathered.replies),
        ended=Ended.WARMING if warming and gathered.ended is not Ended.CONNECTION_LOST else gathered.ended,
        each=tuple(gathered.replies) if each else None,
        notes=(*gathered.notes, *notes),
    )


def _read(gathered: Gathered, answer: type[Answer] | None) -> tuple[list[list[Value]], dict[str, Field], list[str]]:
    """The declared values of each reply, the fields that they make, and what could not be read."""
    if answer is None:
        note = f"the answer type of {gathered.kind!r} is not known here: counts only"
        return [[] for _ in gathered.replies], {}, [note]
    reader = measured(answer)
    rows: list[list[Value]] = []
    places: list[str] = []
    unread: list[str] = []
    for reply in gathered.replies:
        values: list[Value] = []
        places.append(_where(reply))
        if isinstance(reply.answer, msgspec.Raw):
            try:
                values = reader.read(reply.answer)
            except (msgspec.DecodeError, RecursionError) as error:
                unread.append(f"{places[-1]} ({error})")
        rows.append(values)
    notes = []
    if unread:
        more = f" and {len(unread) - _MOST_NOTED} more" if len(unread) > _MOST_NOTED else ""
        notes.append(f"answers that could not be added up: {', '.join(unread[:_MOST_NOTED])}{more}")
    fields = {}
    for position, declared in enumerate(reader.fields):
        seen = [
            (values[position], place)
            for values, place in zip(rows, places, strict=True)
            if values and values[position] is not None
        ]
        if seen:
            fields[declared.path] = _field(declared, seen)
    return rows, fields, notes


def _field(declared: Declared, seen: Seen) -> Field:
    if isinstance(declared.mark, Measure):
        return _numbers(declared.mark, [(value, place) for value, place in seen if isinstance(value, int | float)])
    return _ranked(declared.mark, [(value, place) for value, place in seen if isinstance(value, str)])


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


def _bad_verdicts(ranked: Sequence[tuple[int, Declared, str]], values: Sequence[Value]) -> list[Verdict]:
    """The verdicts of one answer that are not the best there is; nearly always there is none."""
    return [
        Verdict(declared.path, declared.mark, value)
        for position, declared, best in ranked
        if (value := values[position]) is not None
        and value != best
        and isinstance(value, str)
        and isinstance(declared.mark, Ranked)
    ]


def merge(replies: Sequence[Reply]) -> tuple[Finding, ...]:
    """Findings of many replies, one per code, worst first, with everybody who has it.

    An instance is named by where its reply came from, not by what the finding says of itself.
    """
    found: dict[str, list[tuple[Finding, str]]] = {}
    for reply in replies:
        for finding in reply.findings:
            found.setdefault(finding.code, []).append((finding, _where(reply)))
    merged = [_one(same) for same in found.values()]
    return tuple(sorted(merged, key=lambda finding: (-finding.severity.rank, finding.code)))


def _one(same: list[tuple[Finding, str]]) -> Finding:
    worst, _ = max(same, key=lambda pair: pair[0].severity.rank)
    evidence = [seen for finding, _ in same for seen in finding.evidence]
    return msgspec.structs.replace(
        worst,
        instances=tuple(sorted({where for _, where in same})),
        evidence=tuple(evidence[:_MOST_EVIDENCE]) if len(same) > 1 else worst.evidence,
    )


def _where(reply: Reply) -> str:
    return f"{reply.service}/{reply.instance}"
