"""Where a profile spends: per function, per line or per address, flat (there) and cumulative (there and below)."""

import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from posixpath import normpath
from typing import Final, NamedTuple

from diagmesh.adapters.pprof.profile import Line, Location, Profile
from diagmesh.errors import Unreadable

__all__ = ["By", "Node", "Row", "Table", "blamed", "folded", "labelled", "peeked", "places", "table", "total"]

_RUNTIME: Final = re.compile(
    r"(?:runtime|internal|syscall|sync|reflect)(?:/[^.]*)?\.|(?:type|go)[:.]|_?cgo|gogo$|_rt0_|memeqbody|aeshashbody|cmpbody"
)
"""Functions of Go's own runtime and of what stands as near to the machine."""
_MOST_TEXT_BYTES: Final = 256 << 20
"""Of folded stacks."""


class By(StrEnum):
    """What is one row."""

    FUNCTION = "function"
    LINE = "line"
    ADDRESS = "address"


class Node(NamedTuple):
    """What a row is about; fields that do not tell rows apart are empty."""

    function: str = ""
    file: str = ""
    line: int = 0
    address: int = 0
    program: str = ""

    def __str__(self) -> str:
        """As pprof writes it: address, function, file and line, or the program, or ``<unknown>``."""
        words = [f"{self.address:016x}"] if self.address else []
        words += [self.function] if self.function else []
        if self.line:
            words.append(f"{self.file}:{self.line}")
        elif self.file:
            words.append(self.file)
        elif not self.function:
            words.append(f"[{self.program.rpartition('/')[2]}]" if self.program else "<unknown>")
        return " ".join(words)


class Row(NamedTuple):
    """What was counted at one node."""

    node: Node
    flat: int
    cum: int


class Table(NamedTuple):
    """All rows, the largest flat value first.

    Args:
        rows: without those that come to nothing.
        total: of the whole profile, or of the base that it is compared with, before any focus.
    """

    rows: tuple[Row, ...]
    total: int


class _Nodes:
    """The nodes of every location, the innermost first."""

    def __init__(self, profile: Profile, by: By) -> None:
        self.known: dict[Node, int] = {}
        self.at = [
            tuple(self.known.setdefault(node, len(self.known)) for node in _nodes(one, by)) for one in profile.locations
        ]

    def stack(self, places: tuple[int, ...]) -> list[int]:
        """The nodes of a stack, the innermost first."""
        return [node for place in places for node in self.at[place]]


def total(profile: Profile, index: int) -> int:
    """The sum of one sample type, or that of the base in a comparison: what a share is a share of."""
    base = sum(abs(value) for sample, value in profile.values(index) if sample.base)
    return base or sum(abs(value) for _, value in profile.values(index))


def table(profile: Profile, index: int, by: By = By.FUNCTION, of: int | None = None) -> Table:
    """Every row, as ``pprof -top -nodefraction=0`` tells them.

    Args:
        profile: pruned, and focused where that was asked for.
        index: which sample type.
        by: what a row is.
        of: the total before any focus; by default that of this profile.
    """
    nodes = _Nodes(profile, by)
    flat, cum = [0] * len(nodes.known), [0] * len(nodes.known)
    for sample, value in profile.values(index):
        stack = nodes.stack(sample.stack) if value else []
        if stack:
            flat[stack[0]] += value
            for node in set(stack):
                cum[node] += value
    rows = [Row(node, flat[at], cum[at]) for node, at in nodes.known.items() if flat[at] or cum[at]]
    rows.sort(key=lambda row: (-abs(row.flat), str(row.node), -abs(row.cum)))
    return Table(tuple(rows), total(profile, index) if of is None else of)


def blamed(profile: Profile, index: int, of: int | None = None) -> Table:
    """Whose doing it is: each stack counts at its innermost function that is none of Go's runtime, or at its root.

    So the memory that ``append`` takes counts for whoever appends, and a lock for whoever holds it.
    """
    nodes = _Nodes(profile, By.FUNCTION)
    names = list(nodes.known)
    runtime = [_RUNTIME.match(one.function) is not None for one in names]
    flat, cum = [0] * len(names), [0] * len(names)
    for sample, value in profile.values(index):
        stack = nodes.stack(sample.stack) if value else []
        if not stack:
            continue
        flat[next((one for one in stack if not runtime[one]), stack[-1])] += value
        for node in set(stack):
            cum[node] += value
    rows = [Row(names[at], flat[at], cum[at]) for at in range(len(names)) if flat[at]]
    rows.sort(key=lambda row: (-abs(row.flat), str(row.node)))
    return Table(tuple(rows), total(profile, index) if of is None else of)


def places(profile: Profile, index: int) -> dict[str, tuple[str, int]]:
    """For each function its file, and the line at which most is counted."""
    weights: dict[Node, int] = {}
    nodes = _Nodes(profile, By.LINE)
    names = list(nodes.known)
    for sample, value in profile.values(index):
        for at in set(nodes.stack(sample.stack)):
            weights[names[at]] = weights.get(names[at], 0) + abs(value)
    found: dict[str, tuple[int, str, int]] = {}
    for node, weight in weights.items():
        if node.function and (node.function not in found or weight > found[node.function][0]):
            found[node.function] = (weight, node.file, node.line)
    return {name: (file, line) for name, (_, file, line) in found.items()}


def folded(profile: Profile, index: int) -> dict[str, int]:
    """Every stack as one text, the root first and ``;`` between the names; addresses where there are no names.

    Stacks of which nothing is counted (allocated once, and freed) are there with 0.

    Raises:
        Unreadable: they come to more text than anybody reads.
    """
    names = [
        ";".join(one.function.name or "<unknown>" for one in reversed(place.lines)) or f"{place.address:#x}"
        for place in profile.locations
    ]
    sizes = [len(name) + 1 for name in names]
    found, left = dict[str, int](), _MOST_TEXT_BYTES
    for sample, value in profile.values(index):
        left -= sum([sizes[place] for place in sample.stack])
        if left < 0:
            raise Unreadable("profile", f"its stacks come to more than {_MOST_TEXT_BYTES >> 20} MiB of text")
        key = ";".join([names[place] for place in reversed(sample.stack)])
        found[key] = found.get(key, 0) + value
    return dict(sorted(found.items()))


def peeked(profile: Profile, index: int, chosen: set[Node]) -> Iterator[tuple[Node, dict[Node, int], dict[Node, int]]]:
    """Who calls some functions and whom they call, each with the value that goes that way.

    Args:
        profile: pruned.
        index: which sample type.
        chosen: nodes of a table by function.
    """
    nodes = _Nodes(profile, By.FUNCTION)
    names = list(nodes.known)
    wanted = {at for node, at in nodes.known.items() if node in chosen}
    callers: dict[int, dict[int, int]] = {at: {} for at in wanted}
    callees: dict[int, dict[int, int]] = {at: {} for at in wanted}
    for sample, value in profile.values(index):
        stack = nodes.stack(sample.stack) if value else []
        if wanted.isdisjoint(stack):
            continue
        for callee, caller in set(pairwise(stack)):
            if callee == caller:
                continue
            if callee in wanted:
                callers[callee][caller] = callers[callee].get(caller, 0) + value
            if caller in wanted:
                callees[caller][callee] = callees[caller].get(callee, 0) + value
    for at in sorted(wanted):
        above, below = ({names[one]: value for one, value in way[at].items()} for way in (callers, callees))
        yield names[at], above, below


def labelled(profile: Profile, index: int) -> dict[str, dict[str, int]]:
    """Per label what its values come to (``pprof -tags``)."""
    found: dict[str, dict[str, int]] = {}
    for sample, value in profile.values(index):
        for label in sample.labels:
            text = label.text or f"{label.number}{label.unit and f' {label.unit}'}"
            of_key = found.setdefault(label.key, {})
            of_key[text] = of_key.get(text, 0) + value
    return found


def _nodes(location: Location, by: By) -> Iterator[Node]:
    """The nodes of one location; one without a name where there are no symbols."""
    address = location.address if by is By.ADDRESS else 0
    program = location.mapping.file if location.mapping is not None else ""
    if not location.lines:
        yield Node(address=address, program=program)
    for one in location.lines:
        yield _node(one, by, address, program)


def _node(one: Line, by: By, address: int, program: str) -> Node:
    name, file, line = one.function.name, "", 0
    if by is not By.FUNCTION:
        file, line = normpath(one.function.file) if one.function.file else "", one.line
    return Node(name, file, line, address, "" if name else program)
