"""Whether the kernel killed something of the service's own control group for want of memory."""

import contextlib
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["OomCount", "again", "read"]

_MOST_DIGITS: Final = 20
_FILES: Final = ("memory.events.local", "memory.events", "memory.oom_control")


class OomCount(NamedTuple):
    """Kills counted so far: in the group of the service (None: nobody counts), and on the whole machine."""

    group: str = ""
    in_group: int | None = None
    on_machine: int | None = None


def read(pid: int, proc: Path = Path("/proc")) -> OomCount:
    """Read the counts for a living process."""
    on_machine = _number(proc / "vmstat", "oom_kill")
    for group in _groups(pid, proc):
        for name in _FILES:
            count = _number(group / name, "oom_kill")
            if count is not None:
                return OomCount(str(group), count, on_machine)
    return OomCount(on_machine=on_machine)


def again(before: OomCount, proc: Path = Path("/proc")) -> OomCount:
    """Read the counts of the same group once more, when the process is gone."""
    on_machine = _number(proc / "vmstat", "oom_kill")
    for name in _FILES if before.group else ():
        count = _number(Path(before.group, name), "oom_kill")
        if count is not None:
            return OomCount(before.group, count, on_machine)
    return OomCount(on_machine=on_machine)


def _groups(pid: int, proc: Path) -> list[Path]:
    """Where the memory controller counts for the process, version 2 first."""
    paths: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in (proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0" or "memory" in controllers.split(","):
                paths["cgroup2" if number == "0" else "cgroup"] = path
    found = []
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            root, point = before.split()[3:5]
            kind, _, options = after.split(" ", 2)
            if kind not in paths or (kind == "cgroup" and "memory" not in options.split(",")):
                continue
            path, top = paths[kind], root.rstrip("/")
            if path == root or path.startswith(top + "/"):
                found.append(Path(point + path[len(top) :]))
    return sorted(found, key=lambda group: not (group / "cgroup.procs").exists())


def _number(file: Path, word: str) -> int | None:
    try:
        lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    told = (line.split() for line in lines)
    return next((int(pair[1]) for pair in told if len(pair) == 2 and pair[0] == word and _counts(pair[1])), None)


def _counts(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
