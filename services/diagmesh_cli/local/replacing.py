"""A directory replaced in one step: whenever we are killed, it is there in full, as it was or as it became."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from diagmesh.errors import DiagmeshError

__all__ = ["recover", "replaced", "write_private"]

_EXCHANGE: Final = 2
"""RENAME_EXCHANGE of renameat2(2)."""
_HERE: Final = -100
"""AT_FDCWD: paths as they are."""


@contextlib.contextmanager
def replaced(directory: Path, *, copied: bool) -> Iterator[Path]:
    """A directory beside another one, to be filled; it takes the place of that one when the block ends well.

    Args:
        directory: to be replaced, or made.
        copied: whether to begin with a copy of what is there.

    Raises:
        DiagmeshError: it cannot be written, or somebody else is at it; everything is as it was.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _alone(directory), _fresh(directory) as fresh:
            if copied:
                _copy(directory, fresh)
            yield fresh
            _to_disk(fresh)
            _swap(fresh, directory)
    except OSError as error:
        raise DiagmeshError(f"cannot write {directory}: {error.strerror}; nothing was changed") from None


def recover(directory: Path) -> None:
    """Have it back where one was killed between two renames, on a file system that cannot exchange.

    Raises:
        DiagmeshError: somebody else is at it.
    """
    if directory.exists() or not directory.parent.is_dir():
        return
    for left in directory.parent.glob(f"{_prefix(directory)}*.old"):
        with _alone(directory):
            if not directory.exists():
                left.rename(directory)


def write_private(path: Path, content: bytes) -> None:
    """Write a file for our eyes only, complete or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else changes what is in the parent directory; without a file that would be left there."""
    parent = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(parent, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DiagmeshError(f"another diagmesh init is at work in {directory.parent}; try again") from None
        yield
    finally:
        os.close(parent)


@contextlib.contextmanager
def _fresh(directory: Path) -> Iterator[Path]:
    """An empty directory of mode 0700; what one that was killed has left is cleared away, for it holds keys."""
    for left in directory.parent.glob(f"{_prefix(directory)}*"):
        shutil.rmtree(left, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=_prefix(directory), dir=directory.parent))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _prefix(directory: Path) -> str:
    return f".{directory.name}.init-"


def _copy(directory: Path, fresh: Path) -> None:
    shutil.copytree(directory, fresh, symlinks=True, dirs_exist_ok=True)
    if os.geteuid() == 0:  # a change by root must not take the files from their owner
        for path in (fresh, *fresh.rglob("*")):
            owner = (directory / path.relative_to(fresh)).lstat()
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _to_disk(fresh: Path) -> None:
    """So that a crash of the machine, too, finds the one or the other."""
    for path in (*fresh.rglob("*"), fresh):
        if path.is_symlink():
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _swap(fresh: Path, directory: Path) -> None:
    """Put the new directory where the old one is, and the old one where it was."""
    if not directory.exists():
        fresh.rename(directory)
        return
    if _exchanged(fresh, directory):
        return
    old = fresh.with_name(f"{fresh.name}.old")
    directory.rename(old)
    try:
        fresh.rename(directory)
    except OSError:
        old.rename(directory)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two directories at once, where C library and file system can."""
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(exchange(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)
