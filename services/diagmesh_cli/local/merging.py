"""Text that we wrote and somebody has edited is changed without losing either change."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

__all__ = ["merged"]


class _Edit(NamedTuple):
    """Lines ``begin`` to ``end`` of the text before become others."""

    begin: int
    end: int
    lines: tuple[str, ...]


def merged(before: str, theirs: str, ours: str) -> str | None:
    """Both changes of one text; None where they touch the same lines.

    Args:
        before: what we wrote once.
        theirs: what somebody made of it.
        ours: what we would write now.
    """
    if theirs == before:
        return ours
    lines = before.splitlines(keepends=True)
    edits = sorted({*_edits(lines, theirs), *_edits(lines, ours)})
    told: list[str] = []
    position = 0
    for edit, after in zip(edits, (*edits[1:], None), strict=True):
        if after is not None and (after.begin < edit.end or (after.begin == edit.begin and after.end == edit.begin)):
            return None
        told += [*lines[position : edit.begin], *edit.lines]
        position = edit.end
    return "".join([*told, *lines[position:]])


def _edits(lines: list[str], text: str) -> Iterator[_Edit]:
    changed = text.splitlines(keepends=True)
    for what, begin, end, from_, to in SequenceMatcher(None, lines, changed, autojunk=False).get_opcodes():
        if what != "equal":
            yield _Edit(begin, end, tuple(changed[from_:to]))
