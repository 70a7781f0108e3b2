"""Real control groups with limits, made for a while, where the machine and our rights let us."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

__all__ = ["CannotHere", "limited_group"]

_ROOT: Final = Path("/sys/fs/cgroup")
_EMPTY_S: Final = 10.0


class CannotHere(Exception):
    """This machine, or this user, does not let us make such a place; says why."""


@contextmanager
def limited_group(controller: str, first: Mapping[str, str], second: Mapping[str, str] | None = None) -> Iterator[Path]:
    """A group of version 1 or 2, whichever this machine has; taken away once its processes have ended.

    Args:
        controller: of version 1, in which the group is made.
        first: its files and what is written into them.
        second: those of version 2; None where only version 1 will do.

    Raises:
        CannotHere: it cannot be made, or has no such file.
    """
    version_1 = (_ROOT / controller).is_dir()
    files = first if version_1 else second
    if files is None:
        raise CannotHere(f"there is no {controller} controller of version 1 here")
    group = (_ROOT / controller if version_1 else _ROOT) / f"diagmesh-test-{uuid4().hex[:12]}"
    try:
        group.mkdir()
        for name, value in files.items():
            (group / name).write_text(value, encoding="ascii")
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        raise CannotHere(f"no control group can be made here: {error.strerror} ({error.filename})") from None
    try:
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """Once its processes have ended: a moment after they were collected."""
    deadline = time.monotonic() + _EMPTY_S
    while (group / "cgroup.procs").read_text(encoding="ascii").strip() and time.monotonic() < deadline:
        time.sleep(0.02)
    group.rmdir()
