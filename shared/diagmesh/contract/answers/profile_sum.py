"""Profiles of the replicas of each service added up, function by function, from the rows that each of them told."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from diagmesh.contract.answers.profile_counted import Counted, Edge, Peeked, Row

__all__ = ["added_up"]

_MOST_ROWS: Final = 200
"""In all tables of one kind together, shared by services and types."""
_LEAST_ROWS: Final = 5
_MOST_EDGES: Final = 20
_MOST_STACKS: Final = 5000


class _Kind(NamedTuple):
    """What can be added up with each other."""

    service: str
    type: str
    sample: str
    unit: str
    base: str


def added_up(counted: Iterable[tuple[str, Counted]]) -> tuple[Counted, ...]:
    """One sum for each service, type and sample type, in the order in which they came.

    Totals, events and rates are exact. So are rows, where every replica told all of its own; ``short_by`` says how much
    the flat value of one may lack otherwise.

    Args:
        counted: by service, what each of its replicas told.
    """
    found: dict[_Kind, list[Counted]] = defaultdict(list)
    for service, one in counted:
        found[_Kind(service, one.type, one.sample, one.unit, one.base.partition(",")[0])].append(one)
    most = max(_LEAST_ROWS, _MOST_ROWS // max(1, len(found)))
    return tuple(_sum(kind, parts, most) for kind, parts in sorted(found.items(), key=lambda one: one[0].service))


def _sum(kind: _Kind, parts: Sequence[Counted], most: int) -> Counted:
    total, rates = sum(one.total for one in parts), [one.per_s for one in parts if one.per_s is not None]
    events = [one.events for one in parts if one.events is not None]
    rows = _rows((one.rows for one in parts), total)
    return Counted(
        service=kind.service,
        replicas=len(parts),
        type=kind.type,
        sample=kind.sample,
        unit=kind.unit,
        base=kind.base,
        total=total,
        over_s=max((one.over_s for one in parts if one.over_s is not None), default=None),
        per_s=round(sum(rates), 6) if len(rates) == len(parts) else None,
        events=sum(events) if len(events) == len(parts) else None,
        samples=max(one.samples for one in parts),
        rows=rows[:most],
        rows_left=len(rows[most:]) + max(one.rows_left for one in parts),
        short_by=sum(abs(one.rows[-1].flat) for one in parts if one.rows and one.rows_left),
        blamed=_blamed(parts, rows, total)[:most],
        lines=_rows((one.lines for one in parts), total)[:most],
        peeked=_peeked(parts)[:most],
        labels=_labels(parts, most),
        folded=_folded(parts),
    )


def _rows(tables: Iterable[Sequence[Row]], total: int) -> tuple[Row, ...]:
    """Each function (or line) once, the heaviest first; its place is where one replica counted most."""
    found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for table in tables:
        for row in table:
            found[(row.name,) if row.name else ("", row.function)].append(row)
    return _sorted(_row(same, total) for same in found.values())


def _blamed(parts: Sequence[Counted], rows: Sequence[Row], total: int) -> tuple[Row, ...]:
    """What calls come to is known of all functions, not only of those that are to blame."""
    cums = {(row.function, row.name): (row.cum, row.cum_share) for row in rows}

    def whole(row: Row) -> Row:
        cum, share = cums.get((row.function, row.name), (row.cum, row.cum_share))
        return replace(row, cum=cum, cum_share=share)

    return _sorted(map(whole, _rows((one.blamed for one in parts), total)))


def _sorted(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (-abs(row.flat), -abs(row.cum), row.name or row.function)))


def _row(same: Sequence[Row], total: int) -> Row:
    flat, cum = sum(row.flat for row in same), sum(row.cum for row in same)
    heaviest = max(same, key=lambda row: (abs(row.flat), abs(row.cum)))
    shares = (round(flat / total, 6), round(cum / total, 6)) if total else (0.0, 0.0)
    return replace(heaviest, flat=flat, cum=cum, flat_share=shares[0], cum_share=shares[1])


def _peeked(parts: Sequence[Counted]) -> tuple[Peeked, ...]:
    found: dict[str, list[Peeked]] = defaultdict(list)
    for one in (peeked for part in parts for peeked in part.peeked):
        found[one.function].append(one)
    sums = [
        Peeked(
            function=name,
            flat=sum(one.flat for one in same),
            cum=sum(one.cum for one in same),
            callers=_edges(same, lambda one: one.callers),
            callees=_edges(same, lambda one: one.callees),
        )
        for name, same in found.items()
    ]
    return tuple(sorted(sums, key=lambda one: (-abs(one.cum), one.function)))


def _edges(same: Sequence[Peeked], ways: Callable[[Peeked], Sequence[Edge]]) -> tuple[Edge, ...]:
    found: dict[str, int] = defaultdict(int)
    for edge in (edge for one in same for edge in ways(one)):
        found[edge.function] += edge.value
    heaviest = sorted(found.items(), key=lambda one: (-abs(one[1]), one[0]))
    return tuple(Edge(function=name, value=value) for name, value in heaviest[:_MOST_EDGES])


def _labels(parts: Sequence[Counted], most: int) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for key, values in (item for part in parts for item in part.labels.items()):
        of_key = found.setdefault(key, {})
        for text, value in values.items():
            of_key[text] = of_key.get(text, 0) + value
    return {key: dict(sorted(one.items(), key=lambda it: (-abs(it[1]), it[0]))[:most]) for key, one in found.items()}


def _folded(parts: Sequence[Counted]) -> dict[str, int] | None:
    """The stacks, where all told theirs and they are not too many for a sum."""
    found: dict[str, int] = {}
    for one in parts:
        if one.folded is None:
            return None
        for stack, value in one.folded.items():
            found[stack] = found.get(stack, 0) + value
    return dict(sorted(found.items())) if len(found) <= _MOST_STACKS else None
