"""Goroutines out of a dump, one after the other, however long it is: nothing of the text is kept."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from diagmesh.adapters.godump.grammar import Call, Header, parse_call, parse_header
from diagmesh.adapters.godump.stack import Stack, stack_of

__all__ = ["Goroutine", "Reader"]

_MOST_LINES: Final = 1024
"""Of one goroutine. Go writes at most 100 frames, twice as many lines, and those of its ancestors when asked to."""
_MOST_KNOWN: Final = 4096
_NOISE: Final = re.compile(r"\([^()\n]*\)$| \+0x[0-9a-f]+(?: [a-z]+=0x[0-9a-f]+)*$| in goroutine \d+$", re.MULTILINE)
"""In what two goroutines at the same places differ."""


class Goroutine(NamedTuple):
    """One goroutine of a dump."""

    header: Header
    stack: Stack
    text: str

    def calls(self) -> Iterator[Call]:
        """Its functions with their arguments, as many as there are frames."""
        for line in self.text.split("\n"):
            if line.startswith(("created by ", "[originating")):
                return
            if not line.startswith(("\t", " ")) and (call := parse_call(line)) is not None:
                yield call


class Reader:
    """Takes lines, gives goroutines.

    Lines that are not of a stack (a log that was written in between) are counted and else ignored.
    """

    def __init__(self) -> None:
        self._header: Header | None = None
        self._lines: list[str] = []
        self._known: dict[str, Stack] = {}
        self.count = 0
        self.foreign_lines = 0
        self.cut = ""

    def feed(self, line: str) -> Goroutine | None:
        """The goroutine that ended before this line, if one did."""
        if "goroutine " in line and (header := parse_header(line)) is not None:
            ended = self._end()
            self._header = header
            return ended
        if self._header is None:
            return None
        if not line:
            return self._end()
        if len(self._lines) < _MOST_LINES:
            self._lines.append(line)
        return None

    def end(self) -> Goroutine | None:
        """The last goroutine; `cut` says then whether the dump ends in the middle of it."""
        last = self._end()
        if last is not None and not last.stack.whole:
            self.cut = f"the dump ends in the middle of goroutine {last.header.id}"
        return last

    def _end(self) -> Goroutine | None:
        header, lines = self._header, self._lines
        if header is None:
            return None
        self._header, self._lines = None, []
        self.count += 1
        text = "\n".join(lines)
        key = _NOISE.sub("", text)
        stack = self._known.get(key)
        if stack is None:
            stack, foreign = stack_of(lines)
            self.foreign_lines += foreign
            if header.id <= 1 and not stack.whole and stack.frames and stack.frames[-1].line:
                stack = msgspec.structs.replace(stack, whole=True)  # nobody created these
            elif len(self._known) < _MOST_KNOWN and not foreign:
                self._known[key] = stack
        return Goroutine(header, stack, text)
