"""Things that are expensive to make, made once and kept in the user's cache folder, outside the tree."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from diagmesh_cli.local.cache import cache_root, content_key

__all__ = ["cache_root", "content_key", "keep"]

_WAIT_S: Final = 840.0
_PAUSE_S: Final = 0.1


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
