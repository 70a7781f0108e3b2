"""A real control group with a CPU quota, where the machine lets us make one (v1, as root)."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

__all__ = ["cpu_group", "join"]

_V1_CPU: Final = Path("/sys/fs/cgroup/cpu")
_EMPTY_S: Final = 10.0


@contextmanager
def cpu_group(cores: float) -> Iterator[Path]:
    """A group with so many cores' worth of time, taken away once its processes have ended. Skips without rights."""
    group = _V1_CPU / f"diagmesh-test-{uuid4().hex[:12]}"
    if os.geteuid() != 0 or not (_V1_CPU / "cpu.cfs_quota_us").exists():
        pytest.skip("no v1 CPU controller in which we may make a group")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made here: {error.strerror}")
    try:
        (group / "cpu.cfs_quota_us").write_text(str(int(cores * 100_000)), encoding="ascii")
        yield group
    finally:
        deadline = time.monotonic() + _EMPTY_S
        while (group / "cgroup.procs").read_text(encoding="ascii").strip() and time.monotonic() < deadline:
            time.sleep(0.02)
        group.rmdir()


def join(group: Path, pid: int) -> None:
    """Move a process into the group."""
    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
