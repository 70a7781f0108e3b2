"""Files that commands write: whoever reads one sees all of it, or what was there before."""

import os
from contextlib import suppress
from pathlib import Path

from diagmesh_cli.trouble import UsageError

__all__ = ["replace"]


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
