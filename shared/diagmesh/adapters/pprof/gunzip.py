"""A profile as it travels, unpacked: never more than so many bytes, whatever the file promises."""

import zlib
from typing import Final

from diagmesh.errors import Unreadable

__all__ = ["MOST_BYTES", "unpacked"]

MOST_BYTES: Final = 64 << 20
"""Of an unpacked profile; one of a hundred thousand goroutines has some megabytes."""
_MAGIC: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS
_STEP: Final = 1 << 20


def unpacked(data: bytes, most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes inside a gzip file of one member or several, or the bytes themselves where they are not packed.

    Args:
        data: the file.
        most_bytes: more than that is refused as soon as it is seen, so that a small file cannot fill the memory.

    Raises:
        Unreadable: it is damaged, cut off, or too large.
    """
    if not data.startswith(_MAGIC):
        if len(data) > most_bytes:
            raise _too_large(most_bytes)
        return data
    out = bytearray()
    while data:
        if not data.startswith(_MAGIC):
            raise _damaged("something that is not gzip follows the packed data")
        data = _member(data, out, most_bytes)
    return bytes(out)


def _member(data: bytes, out: bytearray, most_bytes: int) -> bytes:
    """Unpack one member into ``out``; what follows it."""
    stream = zlib.decompressobj(_GZIP)
    try:
        while not stream.eof:
            more = stream.decompress(data, _STEP)
            out += more
            data = stream.unconsumed_tail
            if len(out) > most_bytes:
                raise _too_large(most_bytes)
            if not data and not more and not stream.eof:
                raise Unreadable("profile", f"it is cut off after {len(out):,} unpacked bytes", "take it again")
    except zlib.error as error:
        raise _damaged(str(error)) from None
    return stream.unused_data


def _damaged(why: str) -> Unreadable:
    return Unreadable("profile", f"it is damaged: {why}", "take it again")


def _too_large(most_bytes: int) -> Unreadable:
    why = f"it is larger than {most_bytes >> 20} MiB when unpacked"
    return Unreadable("profile", why, "take a shorter one, or look at it with `go tool pprof`")
