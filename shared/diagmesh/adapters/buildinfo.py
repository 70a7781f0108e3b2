"""The Go build information in an executable: version, settings, modules.

Read as Go's own ``debug/buildinfo`` does: a section ``.go.buildinfo`` whose header (32 bytes) says that two strings
follow, each with its length before it as a varint: the version, and the text of ``debug.BuildInfo`` between two marks
of 16 bytes. Executables of Go 1.17 and before have pointers instead, and are not read.
"""

import os
import struct
from typing import Final, NamedTuple

import msgspec

__all__ = ["GoBuild", "build_of"]

_ELF: Final = b"\x7fELF"
_HEADER: Final = 64
_SECTION: Final = b".go.buildinfo\0"
_MAGIC: Final = b"\xff Go buildinf:"
_STRINGS_BEGIN: Final = 32
_INLINE: Final = 2
_MARK: Final = 16
_SECTIONS_MOST: Final = 512
_NAMES_BYTES: Final = 64 * 1024
_TEXT_BYTES: Final = 1 << 20


class GoBuild(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an executable says of its own build.

    Args:
        version: of Go (``go1.27.3``).
        settings: ``-race``, ``DefaultGODEBUG``, ``vcs.revision`` …, as ``go version -m`` shows them.
        modules: path and version of each module that it was built from.
    """

    version: str
    settings: dict[str, str] = {}
    modules: dict[str, str] = {}


class _Place(NamedTuple):
    offset: int
    size: int


def build_of(descriptor: int) -> GoBuild | None:
    """The build information of an open executable; None when it is no ELF file of a Go since 1.18.

    Raises:
        OSError: it cannot be read.
    """
    try:
        place = _section(descriptor)
        return None if place is None else _parse(os.pread(descriptor, min(place.size, _TEXT_BYTES), place.offset))
    except (struct.error, ValueError, IndexError, OverflowError):  # the last one: a place beyond any file
        return None  # damaged, or made by something else


def _section(descriptor: int) -> _Place | None:
    header = os.pread(descriptor, _HEADER, 0)
    if header[:4] != _ELF:
        return None
    wide, order = header[4] == 2, "<" if header[5] == 1 else ">"
    at = struct.unpack_from(f"{order}Q" if wide else f"{order}I", header, 0x28 if wide else 0x20)[0]
    size, count, names = struct.unpack_from(f"{order}3H", header, 0x3A if wide else 0x2E)
    if not 0 < count <= _SECTIONS_MOST or names >= count or size < (0x40 if wide else 0x28):
        return None
    table = os.pread(descriptor, size * count, at)
    name_place = _place(table, names * size, wide=wide, order=order)
    words = os.pread(descriptor, min(name_place.size, _NAMES_BYTES), name_place.offset)
    for number in range(count):
        name = struct.unpack_from(f"{order}I", table, number * size)[0]
        if words.startswith(_SECTION, name):
            return _place(table, number * size, wide=wide, order=order)
    return None


def _place(table: bytes, at: int, *, wide: bool, order: str) -> _Place:
    return _Place(*struct.unpack_from(f"{order}2Q" if wide else f"{order}2I", table, at + (0x18 if wide else 0x10)))


def _parse(blob: bytes) -> GoBuild | None:
    if not blob.startswith(_MAGIC) or not blob[len(_MAGIC) + 1] & _INLINE:
        return None
    version, rest = _text(blob, _STRINGS_BEGIN)
    module, _ = _text(blob, rest)
    settings: dict[str, str] = {}
    modules: dict[str, str] = {}
    for line in module[_MARK:-_MARK].decode("utf-8", "replace").splitlines():
        kind, _, words = line.partition("\t")
        if kind == "build":
            key, _, value = words.partition("=")
            settings[key] = value.strip('"')
        elif kind in {"mod", "dep"}:
            path, _, more = words.partition("\t")
            modules[path] = more.partition("\t")[0]
    return GoBuild(version=version.decode("utf-8", "replace"), settings=settings, modules=modules)


def _text(blob: bytes, at: int) -> tuple[bytes, int]:
    """A string with its length before it, and where it ends."""
    length = shift = 0
    while True:
        byte = blob[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 35:
            raise ValueError("no length")
    if at + length > len(blob):
        raise ValueError("cut off")
    return blob[at : at + length], at + length
