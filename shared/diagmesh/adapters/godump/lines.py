"""Chunks of bytes into lines, with a bound on each line: a file without line ends must not fill the memory."""

from collections.abc import Iterable, Iterator
from typing import Final

from diagmesh.adapters.godump.wrapped import unwrapped

__all__ = ["LONGEST_LINE", "lines_of"]

LONGEST_LINE: Final = 64 * 1024
"""Of a longer line the rest is left out. Go prints at most ten words of arguments per frame; messages may be longer."""


def lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a text that comes in pieces, without their ends; what is no UTF-8 is replaced.

    What a collector of logs put around a line is taken away: a time in front, JSON of Docker.
    """
    rest = b""
    skipping = False
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest = rest if skipping else rest + first
        for other in others:
            yield _text(rest)
            rest, skipping = other, False
        if len(rest) > LONGEST_LINE:
            rest, skipping = rest[:LONGEST_LINE], True
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    return unwrapped(line[:LONGEST_LINE].decode("utf-8", "replace").removesuffix("\r"))
