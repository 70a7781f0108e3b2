"""Control groups with a CPU quota, a memory limit or a task limit for tests (version 1, as root), skipped without."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.cgroups import CannotHere, limited_group

__all__ = ["cpu_group", "join", "memory_group", "task_group"]


@contextmanager
def cpu_group(cores: float) -> Iterator[Path]:
    """A group with so many cores' worth of time, taken away once its processes have ended. Skips without rights."""
    with _group("cpu", "cpu.cfs_quota_us", int(cores * 100_000)) as group:
        yield group


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path]:
    """The same with so much memory."""
    with _group("memory", "memory.limit_in_bytes", limit_bytes) as group:
        yield group


@contextmanager
def task_group(limit: int) -> Iterator[Path]:
    """The same with so many threads."""
    with _group("pids", "pids.max", limit) as group:
        yield group


@contextmanager
def _group(controller: str, file: str, limit: int) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            group = stack.enter_context(limited_group(controller, {file: str(limit)}))
        except CannotHere as reason:
            pytest.skip(str(reason))
        yield group


def join(group: Path, pid: int) -> None:
    """Move a process into the group."""
    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
