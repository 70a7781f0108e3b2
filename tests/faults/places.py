"""Where a copy of a service can be made to run short of something: each is real, and taken away afterwards."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from support.cgroups import CannotHere, limited_group

__all__ = [
    "CannotHere",
    "Place",
    "compiler",
    "descriptors",
    "environment",
    "memory",
    "one_cpu",
    "quota",
    "quota_beside",
    "quota_left",
    "quota_taken",
    "small_disk",
]

_PERIOD_US: Final = 100_000
_GROUP: Final = "group"
Words = Sequence[str]
"""What stands before the command of a service that runs there."""
Place = Callable[[Path], AbstractContextManager[Words]]
"""Made in a folder of the fault."""


def one_cpu() -> Place:
    """One CPU of the machine, on which it goes before others, where we may do that: how busy these are is no matter."""
    first = ("chrt", "--rr", "1")  # a mere nice value counts only among the processes of one session

    @contextmanager
    def make(_: Path) -> Iterator[Words]:
        may = shutil.which("chrt") and not subprocess.run([*first, "true"], capture_output=True, check=False).returncode
        yield (*(first if may else ()), "taskset", "-c", str(min(os.sched_getaffinity(0))))

    return make


def compiler() -> Place:
    """Anywhere, if there is a C compiler."""

    @contextmanager
    def make(_: Path) -> Iterator[Words]:
        if not any(map(shutil.which, ("cc", "gcc", "clang"))):
            raise CannotHere("there is no C compiler")
        yield ()

    return make


def descriptors(hard: int) -> Place:
    """So many descriptors at most, by the hard limit, to which Go raises the soft one."""

    @contextmanager
    def make(_: Path) -> Iterator[Words]:
        yield _shell(f"ulimit -n {hard}")

    return make


def quota(cores: float) -> Place:
    """A control group with so much CPU time per period, and all of that before others: else these would limit it."""
    us = int(cores * _PERIOD_US)
    first = {"cpu.cfs_quota_us": str(us), "cpu.shares": str(1 << 18)}
    return _group("cpu", first, {"cpu.max": f"{us} {_PERIOD_US}", "cpu.weight": "10000"})


def environment(**variables: str) -> Place:
    """Anywhere, with these variables."""

    @contextmanager
    def make(_: Path) -> Iterator[Words]:
        yield _shell("export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items()))

    return make


def quota_beside(cores: float, **variables: str) -> Place:
    """Outside a control group with so much CPU time per period, which `quota_taken` moves it into; with variables."""
    us = int(cores * _PERIOD_US)

    @contextmanager
    def make(folder: Path) -> Iterator[Words]:
        files = {"cpu.cfs_quota_us": str(us)}, {"cpu.max": f"{us} {_PERIOD_US}"}
        with limited_group("cpu", *files) as group, environment(**variables)(folder) as words:
            (folder / _GROUP).write_text(str(group), encoding="utf-8")
            yield words

    return make


def quota_taken(folder: Path, pid: int) -> None:
    """Move a process into the group of `quota_beside`."""
    _move(Path((folder / _GROUP).read_text(encoding="utf-8")), pid)


def quota_left(folder: Path, pid: int) -> None:
    """Move it out again."""
    _move(Path((folder / _GROUP).read_text(encoding="utf-8")).parent, pid)


def _move(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")


def memory(limit_bytes: int) -> Place:
    """A control group with so much memory."""
    return _group("memory", {"memory.limit_in_bytes": str(limit_bytes)}, {"memory.max": str(limit_bytes)})


def small_disk(folder_name: str, options: str) -> Place:
    """A filesystem in memory in which the service works, as small as the mount options say."""

    @contextmanager
    def make(folder: Path) -> Iterator[Words]:
        mount = folder / folder_name
        mount.mkdir()
        _run("mount", "-t", "tmpfs", "-o", options, "diagmesh-faults", str(mount))
        try:
            yield _shell(f"cd {shlex.quote(str(mount))}")
        finally:
            _run("umount", str(mount))

    return make


def _group(controller: str, first: dict[str, str], second: dict[str, str]) -> Place:
    """A control group of version 1 or 2, whichever this machine has."""

    @contextmanager
    def make(_: Path) -> Iterator[Words]:
        with limited_group(controller, first, second) as group:
            yield _shell(f"echo $$ >{shlex.quote(str(group / 'cgroup.procs'))}")

    return make


def _shell(before: str) -> Words:
    return ("/bin/sh", "-ec", f'{before}; exec "$@"', "sh")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise CannotHere(f"{command[0]}: {' '.join(done.stderr.split())}")
