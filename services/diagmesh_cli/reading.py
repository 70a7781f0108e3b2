"""Files for `diagmesh read`: in pieces, unpacked where they are packed, however large, and never more than a bound."""

import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, TypeVar

import msgspec

from diagmesh.contract.wire import Problem
from diagmesh.errors import Unreadable
from diagmesh_cli.options import STANDARD_INPUT

__all__ = ["MOST_BYTES", "FileRead", "each_file", "pieces"]

MOST_BYTES: Final = 2 << 30
"""Of one file, unpacked."""
_PIECE_BYTES: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
T = TypeVar("T")


class FileRead(msgspec.Struct, Generic[T], frozen=True, kw_only=True, omit_defaults=True):
    """What became of one file.

    Args:
        file: as it was named.
        answer: what it says; missing when it could not be read.
        problem: why not.
    """

    file: str
    answer: T | None = None
    problem: Problem | None = None


def each_file(files: tuple[str, ...], read: Callable[[Iterator[bytes]], T]) -> Iterator[FileRead[T]]:
    """Read file after file; one that cannot be read is told in its place."""
    for file in files:
        try:
            yield FileRead(file=file, answer=read(pieces(file)))
        except Unreadable as error:
            yield FileRead(file=file, problem=Problem(code=422, error="cannot be read", detail=f"{file}: {error}"))


def pieces(file: str, most: int = MOST_BYTES) -> Iterator[bytes]:
    """The bytes of a file (``/dev/stdin``, too), unpacked if it begins as gzip does.

    Args:
        file: its path.
        most: so many bytes at most, unpacked: a small file can unpack to any size.

    Raises:
        Unreadable: it is not there, may not be read, is damaged, or is larger than that.
    """
    try:
        if file == STANDARD_INPUT:  # which may be something that cannot be opened by that name
            yield from _bounded(_unpacked(sys.stdin.buffer), most)
            return
        with Path(file).open("rb") as source:
            yield from _bounded(_unpacked(source), most)
    except OSError as error:
        raise Unreadable("file", error.strerror or str(error)) from None
    except zlib.error as error:
        raise Unreadable("gzip", f"damaged: {error}", "fetch it again") from None


def _bounded(source: Iterator[bytes], most: int) -> Iterator[bytes]:
    seen = 0
    for piece in source:
        seen += len(piece)
        if seen > most:
            raise Unreadable("file", f"more than {most:,} bytes, unpacked", "cut out the part that matters")
        yield piece


def _unpacked(source: BinaryIO) -> Iterator[bytes]:
    piece = source.read(_PIECE_BYTES)
    if not piece.startswith(_GZIP):
        while piece:
            yield piece
            piece = source.read(_PIECE_BYTES)
        return
    yield from _gunzipped(source, piece)


def _gunzipped(source: BinaryIO, piece: bytes) -> Iterator[bytes]:
    unpack: Any = zlib.decompressobj(wbits=31)
    while piece:
        unpacked = unpack.decompress(piece, _PIECE_BYTES)
        if unpacked:
            yield unpacked
        if unpack.eof:
            piece = unpack.unused_data or source.read(_PIECE_BYTES)
            unpack = zlib.decompressobj(wbits=31)
        else:
            piece = unpack.unconsumed_tail or source.read(_PIECE_BYTES)
            if not piece:
                raise Unreadable("gzip", "it ends too early", "fetch it again")
