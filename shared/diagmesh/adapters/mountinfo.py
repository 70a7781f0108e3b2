"""Reads the mounts of a process's mount namespace, ``/proc/<pid>/mountinfo`` (proc_pid_mountinfo(5))."""

import re
from typing import Final, NamedTuple

__all__ = ["Mounted", "mount_of", "parse_mountinfo"]

_OCTAL: Final = re.compile(r"\\([0-7]{3})")


class Mounted(NamedTuple):
    """One line: which part of a filesystem (``root``) is mounted where, its type, and the options of the filesystem."""

    root: str
    point: str
    kind: str
    options: frozenset[str]


def parse_mountinfo(text: str) -> list[Mounted]:
    """The mounts in their order, in which later ones hide earlier ones; lines of another form are passed over."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if len(fields) < 6 or not tail:
            continue
        # The source before the options may be an empty word, so these are known by being the last.
        options = frozenset(tail[-1].split(",")) if len(tail) > 1 else frozenset()
        found.append(Mounted(_plain(fields[3]), _plain(fields[4]), tail[0], options))
    return found


def mount_of(path: str, mounts: list[Mounted]) -> Mounted | None:
    """The mount that holds a path: the longest mount point above it, of equal ones the last."""
    best = None
    for mount in mounts:
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _plain(field: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)
