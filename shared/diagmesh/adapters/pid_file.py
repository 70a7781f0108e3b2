"""Finds a process by the file that holds its number."""

import os
from typing import Final

from diagmesh.adapters.fits import Fits

__all__ = ["ByPidFile"]

_PID_FILE_BYTES: Final = 256


class ByPidFile:
    """A file that holds the process id."""

    def __init__(self, path: str) -> None:
        self.words = f"pid file {path}"
        self._path = path

    def look(self) -> Fits:
        """The process that the file names."""
        try:
            text = _beginning(self._path)
        except OSError as error:
            hidden = isinstance(error, PermissionError)
            return Fits(reason=f"the pid file {self._path} cannot be read: {error.strerror}", hidden=hidden)
        first = next(iter(text.split()), "")
        if not (first.isascii() and first.isdigit() and 0 < int(first) < 2**31):
            return Fits(reason=f"the pid file {self._path} holds no process id")
        return Fits((int(first),), f"named by the pid file {self._path}")


def _beginning(path: str) -> str:
    """The first bytes of a file that may be anything: a pipe without a writer is empty, not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _PID_FILE_BYTES).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
