"""Things that are expensive to make, made once and kept in the user's cache folder, outside the tree."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["cache_root", "content_key", "keep"]

_WAIT_S: Final = 840.0
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


def keep(name: str, make: Callable[[Path], None]) -> Path:
    """The cached folder ``name``; where it is missing ``make`` fills an empty one, which then takes its place at once.

    Several processes may ask at a time: one makes, the others wait for it.

    Raises:
        TimeoutError: another process has been making it for too long.
    """
    kept = cache_root() / name
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with _locked(kept.with_name(kept.name + ".lock")):
        if kept.is_dir():
            return kept
        fresh = Path(tempfile.mkdtemp(prefix=kept.name + ".", dir=kept.parent))
        try:
            make(fresh)
            fresh.rename(kept)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return kept


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    deadline = time.monotonic() + _WAIT_S
    with path.open("w", encoding="utf-8") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another process has held {path} for {_WAIT_S:g} s") from None
            time.sleep(_PAUSE_S)
        yield
