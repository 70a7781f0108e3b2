"""What is expensive to make is made once and kept in the user's cache folder, outside the tree."""

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

__all__ = ["cache_root", "content_key", "making"]

_PAUSE_S: Final = 0.1


def cache_root() -> Path:
    """The project's folder below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "diagmesh"


def content_key(*parts: str, folder: Path | None = None) -> str:
    """A short digest of the parts and of every file below ``folder``, by name and content."""
    digest = hashlib.sha256("\0".join(parts).encode())
    for file in sorted(folder.rglob("*")) if folder else ():
        if file.is_file():
            digest.update(b"\0" + str(file.relative_to(folder or file)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


@asynccontextmanager
async def making(kept: Path) -> AsyncIterator[Path | None]:
    """An empty folder to be filled, which takes the place ``kept`` at once when that went well.

    Of several processes one makes, the others wait; who finds it made when his turn comes is given None. What somebody
    left half made is thrown away. The waiting has no bound of its own: set one around it.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_name(kept.name + ".lock").open("w", encoding="utf-8") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_PAUSE_S)
        if kept.is_dir():
            yield None
            return
        fresh = kept.with_name(kept.name + ".making")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            yield fresh
            fresh.rename(kept)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
