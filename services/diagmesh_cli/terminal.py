"""The console that everything is printed on: what came over the wire is text there, never markup and never control."""

import contextlib
import os
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

__all__ = ["BIDI", "Terminal", "discard"]

BIDI: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that have what follows written from the other side."""
_CONTROL: Final = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}
_HARMFUL: Final = dict.fromkeys((*_CONTROL, *map(ord, BIDI)), "\N{REPLACEMENT CHARACTER}")
"""Escape sequences, bells, backspaces, reversed writing: with them a watched service could forge the whole screen."""


class Terminal(Console):
    """A rich console without markup, emoji codes and guessed highlights, which lets no control character through.

    When its reader (head, less) has seen enough, it goes on without a word: the exit code stays that of the answer.
    """

    reader_gone: bool = False

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does it; whatever would control the terminal is replaced, the styles come after this."""
        for segment in super().render(renderable, options):
            if segment.control is None and not segment.text.isprintable():
                yield Segment(segment.text.translate(_HARMFUL), segment.style)
            else:
                yield segment

    def on_broken_pipe(self) -> None:
        """Nobody reads on: whatever else is written, by us or by the interpreter at its end, goes nowhere."""
        self.quiet = self.reader_gone = True
        with contextlib.suppress(OSError, ValueError):
            discard(self.file.fileno())


def discard(descriptor: int) -> None:
    """From now on, what is written there goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
