"""What an answer tells of a profile: totals, rows, whose doing it is; the same for a live one and for a file."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from diagmesh.adapters.pprof.cut import focused, pattern, pruned
from diagmesh.adapters.pprof.profile import Profile
from diagmesh.adapters.pprof.top import By, Node, Table, blamed, folded, labelled, peeked, places, table, total
from diagmesh.adapters.pprof.top import Row as Counts
from diagmesh.contract.answers.profile import Counted, Edge, Peeked, Row

__all__ = ["Wanted", "look"]

_NANOSECONDS: Final = 1e9
_MOST_PEEKED: Final = 20
_MOST_EDGES: Final = 20
_MOST_LABELS: Final = 20
Places = Mapping[str, tuple[str, int]]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What to tell of a profile.

    Args:
        type: which one it is, in the words of the answer.
        sample: which of its numbers; empty for the default.
        focus: regular expression of what a stack must have.
        ignore: of what it must not have.
        peek: of functions whose callers and callees are told.
        top: so many rows of each table; 0 for all.
        lines: whether rows are told by line, too.
        folded: whether the stacks are.
        over_s: the time within which it was counted; None to take it from the profile.
        base: what the profile is compared with, in words; empty when it is not a difference.
    """

    type: str = ""
    sample: str = ""
    focus: str = ""
    ignore: str = ""
    peek: str = ""
    top: int = 10
    lines: bool = False
    folded: bool = False
    over_s: float | None = None
    base: str = ""


def look(profile: Profile, wanted: Wanted) -> Counted:
    """Tell one sample type of a profile.

    Args:
        profile: as it was read, or merged, or a difference.
        wanted: what to tell.

    Raises:
        Declined: no such sample type, or an expression is none; what is peeked at may be nothing.
        Unreadable: the profile contradicts itself.
    """
    index = profile.index_of(wanted.sample)
    whole = pruned(profile)
    in_all = total(whole, index)
    seen = focused(whole, wanted.focus, wanted.ignore)
    where = places(seen, index)
    functions = table(seen, index, of=in_all)
    rows = _rows(functions, where, wanted.top)
    return Counted(
        type=wanted.type,
        sample=profile.types[index].type,
        unit=profile.types[index].unit,
        total=in_all,
        over_s=_over_s(profile, wanted),
        per_s=_per_s(profile, index, in_all, wanted),
        events=_events(whole, index),
        samples=len(seen.samples),
        base=wanted.base,
        rows=rows,
        rows_left=len(functions.rows) - len(rows),
        blamed=_rows(blamed(seen, index, in_all), where, wanted.top),
        lines=_rows(table(seen, index, By.LINE, in_all), where, wanted.top) if wanted.lines else (),
        peeked=_peeked(seen, index, functions, wanted),
        labels=_labels(labelled(seen, index), wanted.top),
        folded=folded(seen, index) if wanted.folded else None,
    )


def _events(profile: Profile, index: int) -> int | None:
    """The count that Go writes before each sum: objects before space, contentions before delay."""
    if index == 0 or profile.types[index - 1].unit != "count" or profile.types[index].unit == "count":
        return None
    return total(profile, index - 1)


def _over_s(profile: Profile, wanted: Wanted) -> float | None:
    if wanted.over_s is not None:
        return wanted.over_s
    return round(profile.duration_ns / _NANOSECONDS, 3) if profile.duration_ns else None


def _per_s(profile: Profile, index: int, in_all: int, wanted: Wanted) -> float | None:
    over_s = _over_s(profile, wanted)
    if not over_s or wanted.base:
        return None
    scale = _NANOSECONDS if profile.types[index].unit == "nanoseconds" else 1.0
    return round(in_all / scale / over_s, 6)


def _rows(found: Table, where: Places, top: int) -> tuple[Row, ...]:
    heaviest = sorted(found.rows, key=lambda row: (-abs(row.flat), -abs(row.cum), str(row.node)))
    return tuple(_row(one, found.total, where) for one in heaviest[: top or None])


def _row(one: Counts, in_all: int, where: Places) -> Row:
    node = one.node
    file, line = (node.file, node.line) if node.line else where.get(node.function, (node.file, 0))
    return Row(
        function=node.function,
        file=file,
        line=line,
        flat=one.flat,
        cum=one.cum,
        flat_share=round(one.flat / in_all, 6) if in_all else 0.0,
        cum_share=round(one.cum / in_all, 6) if in_all else 0.0,
        name="" if str(node) == node.function else str(node),
    )


def _peeked(profile: Profile, index: int, functions: Table, wanted: Wanted) -> tuple[Peeked, ...]:
    peek = pattern(wanted.peek, "peek")
    if peek is None:
        return ()
    chosen = {row.node: row for row in functions.rows if peek.search(str(row.node))}
    found = [
        Peeked(
            function=str(node),
            flat=chosen[node].flat,
            cum=chosen[node].cum,
            callers=_edges(above, wanted),
            callees=_edges(below, wanted),
        )
        for node, above, below in peeked(profile, index, set(chosen))
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.cum), one.function))[: _MOST_PEEKED if wanted.top else None])


def _edges(ways: Mapping[Node, int], wanted: Wanted) -> tuple[Edge, ...]:
    heaviest = sorted(ways.items(), key=lambda way: (-abs(way[1]), str(way[0])))
    return tuple(
        Edge(function=str(node), value=value) for node, value in heaviest[: _MOST_EDGES if wanted.top else None]
    )


def _labels(found: dict[str, dict[str, int]], top: int) -> dict[str, dict[str, int]]:
    most = top or None
    keys: Iterable[str] = sorted(found)[:_MOST_LABELS]
    return {key: dict(sorted(found[key].items(), key=lambda one: (-abs(one[1]), one[0]))[:most]) for key in keys}
