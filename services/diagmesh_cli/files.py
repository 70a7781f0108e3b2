"""Files that commands write: whoever reads one sees all of it, or what was there before."""

import os
from contextlib import suppress
from pathlib import Path

from diagmesh_cli.trouble import UsageError

__all__ = ["check", "replace"]


def check(file: Path | None, option: str) -> None:
    """Whether a file could be written, before it is worked for.

    Args:
        file: where; None for nowhere.
        option: which asked for it, for the error.

    Raises:
        UsageError: its folder is not there, or may not be written to.
    """
    if file is None:
        return
    if not file.parent.is_dir():
        raise UsageError(f"{option} {file}: there is no folder {file.parent}")
    if file.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {file}: {'that is a folder' if file.is_dir() else 'its folder is not writable'}")


def replace(file: Path, document: bytes, option: str) -> None:
    """Write a whole file in place of what was there.

    Args:
        file: where.
        document: all of it.
        option: which asked for it, for the error.

    Raises:
        UsageError: the file cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(document)
        temporary.replace(file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UsageError(f"{option} {file}: {error.strerror}") from None
