"""Goroutine profiles as text (``debug=1``): how many goroutines share each stack, and nothing else of them."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from diagmesh.adapters.godump.stack import Stack
from diagmesh.contract.answers.stacks import Frame
from diagmesh.errors import Unreadable

__all__ = ["Counted", "begins_counts", "parse_counts"]

_FIRST: Final = re.compile(r"(?P<name>[a-z]{1,30}) profile: total (?P<total>\d{1,18})\Z")
_SAMPLE: Final = re.compile(r"(?P<count>\d{1,18}) @(?: 0x[0-9a-f]+)*\Z")
_FRAME: Final = re.compile(
    r"#\t0x[0-9a-f]+\t+(?P<function>\S(?:.*?\S)?)\+0x[0-9a-f]+\s+(?P<file>\S.*):(?P<line>\d{1,9})\Z"
)
_MOST_FRAMES: Final = 512


class Counted(NamedTuple):
    """So many goroutines with the same stack."""

    number: int
    stack: Stack


def begins_counts(line: str) -> bool:
    """Whether this is the first line of such a profile."""
    return _FIRST.match(line) is not None


def parse_counts(lines: Iterable[str]) -> Iterator[Counted]:
    """The stacks, the most frequent first, as they come.

    Raises:
        Unreadable: this is no such profile, or it ends too early.
    """
    source = iter(lines)
    first = _FIRST.match(next(source, ""))
    if first is None:
        raise Unreadable("goroutine profile", "it does not begin with 'goroutine profile: total N'")
    told, seen = int(first["total"]), 0
    count, frames = 0, list[Frame]()
    for line in source:
        if (sample := _SAMPLE.match(line)) is not None:
            if count:
                yield _counted(count, frames)
            count, frames = int(sample["count"]), []
            seen += count
        elif len(frames) < _MOST_FRAMES and (found := _FRAME.match(line)) is not None:
            frames.append(Frame(function=found["function"], file=found["file"], line=int(found["line"])))
    if count:
        yield _counted(count, frames)
    if seen < told:
        raise Unreadable("goroutine profile", f"it ends after {seen} of {told} goroutines", "take it again")


def _counted(count: int, frames: list[Frame]) -> Counted:
    return Counted(count, Stack(frames=tuple(frames), created_by=None, elided=0, unavailable=False, whole=True))
