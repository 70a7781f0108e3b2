"""A profile as a flame graph: one HTML file that loads nothing, can be searched, zoomed and used with the keyboard."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Final, NamedTuple

import orjson
from minijinja import Environment

from diagmesh.contract.answers.profile import Counted, Row
from diagmesh_cli.report.render import NO_HTML
from diagmesh_cli.views.profile import is_earlier, place, value
from diagmesh_cli.views.words import share

__all__ = ["Flames", "flame_html"]

_HERE: Final = resources.files("diagmesh_cli.report")
_SMALLEST: Final = 20_000
"""What is a smaller part of all than this one takes no pixel on any screen."""
_MOST_NODES: Final = 100_000
_MOST_ROWS: Final = 40
_ROOT: Final = "all"


class Flames(NamedTuple):
    """One sample type to draw.

    Args:
        counted: its tables, with the folded stacks.
        base: the stacks that it is compared with; None for no comparison.
        now: the stacks of the profile itself, where ``counted`` has the differences.
    """

    counted: Counted
    base: Mapping[str, int] | None = None
    now: Mapping[str, int] | None = None


def flame_html(title: str, about: str, flames: Sequence[Flames], shown: int = 0) -> str:
    """The document.

    Args:
        title: what it is of.
        about: where it is from, in a line.
        flames: one per sample type, at least one.
        shown: which of them is shown first.
    """
    style, script = _text("flame.css"), _text("flame.js")
    environment = Environment(
        templates={"flame.html": _text("flame.html.j2")},
        undefined_behavior="strict",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    data = orjson.dumps([_drawn(one) for one in flames]).decode()
    document = environment.render_template(
        "flame.html",
        title=title,
        about=about,
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        shown=shown,
        base=_than(flames[0].counted.base) if flames[0].base is not None else "",
        views=[_told(one) for one in flames],
    )
    return document.translate(NO_HTML)


def _than(base: str) -> str:
    """Than what it may be more."""
    return "before" if is_earlier(base) else base


def _told(flames: Flames) -> dict[str, Any]:
    counted = flames.counted
    heading = f"{counted.sample}: {value(counted.total, counted.unit)}"
    if flames.base is not None:
        # The total may be another one: where the base has nothing, shares are of what came.
        was, is_now = (sum(filter(lambda one: one > 0, (part or {}).values())) for part in (flames.base, flames.now))
        words = f"{value(was, counted.unit)} {_base_at(counted)}, {value(is_now, counted.unit)} {_now_at(counted)}"
        heading = f"{counted.sample}: {words}"
    rows = [_row(row, counted) for row in counted.rows[:_MOST_ROWS]]
    return {"name": counted.sample, "heading": heading, "rows": rows}


def _base_at(counted: Counted) -> str:
    """Where the numbers are from with which it is compared."""
    return "before" if is_earlier(counted.base) else f"in {counted.base}"


def _now_at(counted: Counted) -> str:
    return "now" if is_earlier(counted.base) else "here"


def _row(row: Row, counted: Counted) -> dict[str, str]:
    signed = bool(counted.base)
    return {
        "flat": value(row.flat, counted.unit, signed=signed),
        "flat_share": share(row.flat_share),
        "cum": value(row.cum, counted.unit, signed=signed),
        "cum_share": share(row.cum_share),
        "name": row.function or row.name,
        "at": place(row),
    }


class _Node:
    """A function where it was called from; the values of all stacks through it."""

    __slots__ = ("base", "children", "now")

    def __init__(self) -> None:
        self.now = self.base = 0
        self.children: dict[str, _Node] = {}


def _drawn(flames: Flames) -> dict[str, Any]:
    """The tree as the script wants it: nodes from the root on, each with its depth."""
    root = _Node()
    now = flames.now if flames.now is not None else flames.counted.folded or {}
    _grow(root, now, is_base=False)
    _grow(root, flames.base or {}, is_base=True)
    names: dict[str, int] = {}
    least = (root.now + root.base) / _SMALLEST
    nodes = [
        (depth, names.setdefault(name, len(names)), node.now, node.base) for depth, name, node in _walk(root, least)
    ]
    unit, differs = flames.counted.unit, flames.base is not None
    told = {"unit": unit, "differs": differs, "names": list(names), "nodes": nodes[:_MOST_NODES]}
    return told | ({"before": _base_at(flames.counted), "now": _now_at(flames.counted)} if differs else {})


def _grow(root: _Node, stacks: Mapping[str, int], *, is_base: bool) -> None:
    for stack, counted in stacks.items():
        if counted <= 0:
            continue  # what is taken back has no width
        node = root
        for name in ("", *stack.split(";")) if stack else ("",):
            if name:
                node = node.children.setdefault(name, _Node())
            if is_base:
                node.base += counted
            else:
                node.now += counted


def _walk(root: _Node, least: float) -> Iterator[tuple[int, str, _Node]]:
    """Every node that can be seen, before its children; without recursion: stacks may be very deep."""
    rest = [(0, _ROOT, root)]
    while rest:
        depth, name, node = rest.pop()
        yield depth, name, node
        seen = [(depth + 1, *one) for one in sorted(node.children.items()) if one[1].now + one[1].base >= least]
        rest += reversed(seen)


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _text(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")
