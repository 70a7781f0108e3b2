"""Many files of a directory changed as one: whoever is killed in between has committed to all of it, or to nothing.

New files are staged in a folder inside. Giving that folder its second name is the one step that decides; from there on
they are moved into place, by us or by whoever comes next. The directory itself stays the same one: a server or a shell
that works in it goes on.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from diagmesh.errors import SettingsError

__all__ = ["changing", "making", "recover", "remove_later", "write_private"]

_STAGED: Final = ".change.part"
_DECIDED: Final = ".change"
_GONE: Final = "gone.json"


@contextlib.contextmanager
def making(directory: Path) -> Iterator[Path]:
    """A new directory to be filled; it gets its name when the block ends well, and not before.

    Raises:
        SettingsError: it cannot be written.
    """
    with _told(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{directory.name}.init-", dir=directory.parent))  # of mode 0700
        try:
            yield fresh
            _to_disk(fresh)
            fresh.rename(directory)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


@contextlib.contextmanager
def changing(directory: Path, order: Sequence[str]) -> Iterator[Path]:
    """A folder for files that take the place of those of the same name in the directory when the block ends well.

    Args:
        directory: that is changed.
        order: which names come first; all others follow, the empty one stands for them.

    Raises:
        SettingsError: it cannot be written, or somebody else is at it.
    """
    with _told(directory), _alone(directory):
        _finish(directory, order)
        staged = directory / _STAGED
        shutil.rmtree(staged, ignore_errors=True)  # one that was killed before it had decided
        staged.mkdir(mode=0o700)
        try:
            yield staged
            _to_disk(staged)
            staged.rename(directory / _DECIDED)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        _finish(directory, order)


def recover(directory: Path, order: Sequence[str]) -> None:
    """Bring a change to its end that was decided when somebody was killed.

    Raises:
        SettingsError: as `changing`.
    """
    if (directory / _DECIDED).is_dir():
        with _told(directory), _alone(directory):
            _finish(directory, order)


def remove_later(staged: Path, names: Iterable[str]) -> None:
    """Have these files of the directory removed with the change."""
    write_private(staged / _GONE, msgspec.json.encode(sorted(names)))


def write_private(path: Path, content: bytes) -> None:
    """Write a file for our eyes only, complete or not at all."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)


@contextlib.contextmanager
def _told(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"cannot write {directory}: {error.strerror}") from None


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else changes the directory; without a file that would be left there."""
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"another diagmesh init is at work in {directory}; try again") from None
        yield
    finally:
        os.close(held)


def _finish(directory: Path, order: Sequence[str]) -> None:
    """Move everything that was decided into place; what is there already was moved by one who was killed."""
    decided = directory / _DECIDED
    if not decided.is_dir():
        return
    gone, owner = decided / _GONE, directory.stat()
    names = [str(path.relative_to(decided)) for path in decided.rglob("*") if path.is_file() and path != gone]
    place = {name: number for number, name in enumerate(order)}
    for name in sorted(names, key=lambda name: (place.get(name, place[""]), name)):
        target = directory / name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:  # a change by root must not take the files from their owner
            os.chown(decided / name, owner.st_uid, owner.st_gid)
        (decided / name).replace(target)
    for name in msgspec.json.decode(gone.read_bytes(), type=list[str]) if gone.exists() else ():
        (directory / name).unlink(missing_ok=True)
    _to_disk(directory)
    shutil.rmtree(decided)


def _to_disk(folder: Path) -> None:
    """So that a crash of the machine, too, finds the one or the other."""
    for path in (*folder.rglob("*"), folder):
        if path.is_dir() or (path.is_file() and not path.is_symlink()):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
