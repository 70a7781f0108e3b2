"""Real control groups with a CPU quota, a memory limit or a task limit, where the machine lets us (v1, as root)."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

__all__ = ["cpu_group", "join", "memory_group", "task_group"]

_V1: Final = Path("/sys/fs/cgroup")
_EMPTY_S: Final = 10.0


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
    group = _V1 / controller / f"diagmesh-test-{uuid4().hex[:12]}"
    if os.geteuid() != 0 or not group.parent.is_dir():
        pytest.skip(f"no v1 {controller} controller in which we may make a group")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made here: {error.strerror}")
    try:
        if not (group / file).exists():
            pytest.skip(f"the {controller} controller here has no {file}")
        (group / file).write_text(str(limit), encoding="ascii")
        yield group
    finally:
        deadline = time.monotonic() + _EMPTY_S
        while (group / "cgroup.procs").read_text(encoding="ascii").strip() and time.monotonic() < deadline:
            time.sleep(0.02)
        group.rmdir()


def join(group: Path, pid: int) -> None:
    """Move a process into the group."""
    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
