"""The fields of a protobuf message one by one, so that a profile is never in memory as a whole tree of messages."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from diagmesh.errors import Unreadable

__all__ = ["Field", "fields"]

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_MOST_SHIFT: Final = 63


class Field(NamedTuple):
    """One field: its number, where it begins with its tag, and where its content begins and ends.

    ``begin`` is -1 for a field that is no message, string or packed list.
    """

    number: int
    at: int
    begin: int
    end: int


def fields(data: bytes) -> Iterator[Field]:
    """Every field of a message.

    Raises:
        Unreadable: it is no protobuf message, or is cut off.
    """
    at, size = 0, len(data)
    while at < size:
        start = at
        tag = data[at]
        at += 1
        if tag > 0x7F:
            tag, at = _varint(data, start)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _varint(data, at)
            begin, at = at, at + length
            if at > size:
                raise _cut(start, size)
            yield Field(tag >> 3, start, begin, at)
            continue
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise Unreadable("profile", f"it is damaged: no protobuf field at byte {start:,}", "take it again")
        if at > size:
            raise _cut(start, size)
        yield Field(tag >> 3, start, -1, at)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    start, size = at, len(data)
    while at < size:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte <= 0x7F:
            return value, at
        shift += 7
        if shift > _MOST_SHIFT:
            raise Unreadable("profile", f"it is damaged: a number of more than 64 bits at byte {start:,}")
    raise _cut(start, size)


def _cut(start: int, size: int) -> Unreadable:
    return Unreadable("profile", f"it is cut off: the field at byte {start:,} of {size:,} has no end", "take it again")
