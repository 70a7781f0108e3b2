"""Small files of the kernel that are read again and again: opened once, as long as what they tell of is there."""

import errno
import os
from typing import ClassVar, Final

__all__ = ["KeptFiles", "read_once"]

_PIECE_BYTES: Final = 16 * 1024
_MOST: Final = 512
"""Descriptors that are kept in all: what is above that is opened each time, as everything was otherwise."""
_REPLACED: Final = frozenset({errno.ENODEV, errno.ESTALE})
"""What a kept file says whose directory is gone; there may be another one of that name by now."""


def read_once(name: str, directory: int | None = None) -> bytes:
    """The content of a file that the kernel makes anew, and whole, for each read; raises OSError.

    Args:
        name: of the file.
        directory: a descriptor that the name is relative to.
    """
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return _content(descriptor)
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> bytes:
    data = os.pread(descriptor, _PIECE_BYTES, 0)
    while data and len(data) % _PIECE_BYTES == 0 and (more := os.pread(descriptor, _PIECE_BYTES, len(data))):
        data += more
    return data


class _Open:
    """One open file; closed with the last reference, so that no other thread reads from a number that was reused."""

    __slots__ = ("descriptor",)
    count: ClassVar[int] = 0

    def __init__(self, name: str, directory: int | None) -> None:
        self.descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        _Open.count += 1

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)
            _Open.count -= 1


class KeptFiles:
    """Files that stay open between two reads: two thirds of what it costs to read one of them is to open it.

    May be used from several threads. Only for files that the kernel makes anew for each read (/proc, control groups).

    Args:
        directory: a descriptor that names are relative to; it must outlive this.
    """

    __slots__ = ("_directory", "_files")

    def __init__(self, directory: int | None = None) -> None:
        self._directory = directory
        self._files: dict[str, _Open] = {}

    def read(self, name: str) -> bytes:
        """The content now; raises OSError."""
        kept = self._files.get(name)
        if kept is not None:
            try:
                return _content(kept.descriptor)
            except OSError as error:
                if error.errno not in _REPLACED:
                    raise
                self._files.pop(name, None)
        if _Open.count >= _MOST:
            return read_once(name, self._directory)
        fresh = self._files.setdefault(name, _Open(name, self._directory))
        return _content(fresh.descriptor)
