"""Filesystems, interfaces and the host, as the system tells them; tables of any content."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.adapters.depth import children_of
from diagmesh.adapters.filesystems import disks_of, fullest
from diagmesh.adapters.host import host
from diagmesh.adapters.mountinfo import mount_of, parse_mountinfo
from diagmesh.adapters.network import interfaces_of, network_of, parse_interfaces
from diagmesh.adapters.procfs import PidDir
from diagmesh.contract.answers.surroundings import Filesystem
from diagmesh.target import Aged, Disk
from support.children import Child, until
from support.nobody import as_nobody, needs_root

NET_DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 500 5 0 0 0 0 0 0 500 5 0 0 0 0 0 0
  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
eth0:1: 7 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0
"""
HOLDER = "import sys; held = open(sys.argv[1], 'w'); print('ready', flush=True); sys.stdin.readline()"


def test_interfaces_are_added_up_without_loopback() -> None:
    seen = network_of(parse_interfaces(NET_DEV), each=False)
    assert (seen.rx_bytes, seen.tx_bytes, seen.errors, seen.dropped) == (1007, 2007, 4, 6)
    assert seen.interfaces == ()
    assert seen.scope == "network namespace"
    assert [one.name for one in network_of(parse_interfaces(NET_DEV), each=True).interfaces] == ["lo", "eth0", "eth0:1"]


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_interfaces_and_mounts_or_none(text: str) -> None:
    assert all(one.rx_bytes >= 0 for one in parse_interfaces(text))
    mounts = parse_mountinfo(text)
    assert mount_of("/x", mounts) is None or mounts


def test_our_own_namespace_has_loopback() -> None:
    assert "lo" in [one.name for one in interfaces_of(PidDir(os.getpid()))]


def test_the_filesystems_of_a_process_are_told_once_each_and_as_full_as_df_says(tmp_path: Path) -> None:
    with Child(HOLDER, str(tmp_path / "held"), cwd=tmp_path) as child:
        seen = disks_of(PidDir(child.pid))
    assert seen.blind == ()
    mine = [one for one in seen.filesystems if "cwd" in one.used_for]
    assert len(mine) == 1
    assert "open files" in mine[0].used_for
    told, usage = mine[0], shutil.disk_usage(tmp_path)
    assert told.total_bytes == usage.total
    assert told.free_bytes == pytest.approx(usage.free, rel=0.05, abs=1 << 28)
    assert told.used_share == pytest.approx(usage.used / (usage.used + usage.free), abs=0.05)
    assert len({one.mount for one in seen.filesystems}) == len(seen.filesystems)
    assert not {one.kind for one in seen.filesystems} & {"proc", "sysfs", "devtmpfs", "cgroup2"}


def test_a_deleted_file_still_tells_its_filesystem() -> None:
    shared = Path("/dev/shm")  # noqa: S108  the one place that is a filesystem of its own nearly everywhere
    if not os.access(shared, os.W_OK):
        pytest.skip("no writable /dev/shm")
    held = shared / f"diagmesh-test-{os.getpid()}"
    try:
        with Child(HOLDER, str(held)) as child:
            held.unlink()
            seen = disks_of(PidDir(child.pid))
    finally:
        held.unlink(missing_ok=True)
    assert [(one.mount, one.kind) for one in seen.filesystems if one.kind == "tmpfs"] == [("/dev/shm", "tmpfs")]  # noqa: S108


def test_the_longest_and_the_last_mount_holds_a_path() -> None:
    mounts = parse_mountinfo(
        "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /data rw - xfs /dev/b rw\n"
        "3 2 8:3 / /data rw - nfs4 server:/x rw\n4 1 8:4 / /with\\040blank rw - ext4 /dev/c rw\n"
    )
    holders = [mount_of(path, mounts) for path in ("/data/x", "/database", "/with blank/x")]
    assert [(one.point, one.kind) for one in holders if one] == [
        ("/data", "nfs4"),
        ("/", "ext4"),
        ("/with blank", "ext4"),
    ]


def test_a_filesystem_without_a_name_still_has_its_options() -> None:
    (mount,) = parse_mountinfo("5 1 0:9 /part /x rw shared:1 - cgroup  rw,cpu,cpuacct")
    assert (mount.root, mount.point, mount.kind) == ("/part", "/x", "cgroup")
    assert mount.options == {"rw", "cpu", "cpuacct"}


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("call", ["statvfs", "stat"])
def test_a_filesystem_that_fails_is_blind_by_the_name_of_its_mount(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str, number: int
) -> None:
    with Child(HOLDER, str(tmp_path / "held"), cwd=tmp_path) as child:
        process = PidDir(child.pid)
        there = disks_of(process)
        monkeypatch.setattr(os, call, failing(getattr(os, call), number))
        seen = disks_of(process)
    assert there.filesystems
    assert seen.filesystems == ()
    mounts = {f"filesystem {one.mount}" for one in there.filesystems}
    assert {blind.what for blind in seen.blind} >= mounts
    assert all(blind.why == os.strerror(number) and blind.fix for blind in seen.blind)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESRCH])
def test_a_file_that_was_closed_meanwhile_is_not_blind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    with Child(HOLDER, str(tmp_path / "held"), cwd=tmp_path) as child:
        process = PidDir(child.pid)
        monkeypatch.setattr(os, "stat", failing(os.stat, number, only="/fd/"))
        seen = disks_of(process)
    assert seen.blind == ()
    assert [one for one in seen.filesystems if "cwd" in one.used_for]
    assert not [one for one in seen.filesystems if "open files" in one.used_for]


def failing(real: Callable[..., Any], number: int, only: str = "") -> Callable[..., Any]:
    """The call with an error of the system for files of processes."""

    def call(path: Any, *rest: Any, **named: Any) -> Any:
        if str(path).startswith("/proc/self/fd/") and only in str(path).removeprefix("/proc/self/fd/"):
            raise OSError(number, os.strerror(number))
        return real(path, *rest, **named)

    return call


def test_read_only_images_are_not_the_fullest() -> None:
    image = Filesystem(
        mount="/snap", kind="x", used_for=("exe",), total_bytes=1, free_bytes=0, used_share=1.0, read_only=True
    )
    data = Filesystem(mount="/data", kind="xfs", used_for=("cwd",), total_bytes=10, free_bytes=4, used_share=0.6)
    seen = fullest(Aged(Disk(filesystems=(image, data)), 1.5), each=False)
    assert (seen.fullest_at, seen.fullest_share, seen.count, seen.age_s) == ("/data", 0.6, 2, 1.5)
    assert seen.fullest_inodes_share is None
    assert seen.filesystems == ()


@needs_root
def test_filesystems_of_another_user_are_blind_not_empty() -> None:
    printed = as_nobody(
        "from diagmesh.adapters.filesystems import disks_of\nfrom diagmesh.adapters.procfs import PidDir",
        f"seen = disks_of(PidDir({os.getpid()}))\n"
        "print(seen.filesystems, all(b.fix for b in seen.blind), len(seen.blind))",
    )
    assert printed == "() True 4"


def test_the_host_is_told() -> None:
    seen = host()
    assert seen.cpus == os.cpu_count()
    assert 0 < seen.memory_available_bytes <= seen.memory_total_bytes
    assert seen.load_1m >= 0


def test_the_children_of_a_process_are_counted_with_theirs() -> None:
    grandchild = "import time; time.sleep(60)"
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {grandchild!r}]).wait()"
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "gone = subprocess.Popen([sys.executable, '-c', ''])\n"  # ends, and is never collected
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with Child(script, start_new_session=True) as family:
        try:
            process = PidDir(family.pid)
            assert until(lambda: children_of(process), lambda count: count == 2) == 2
            assert children_of(PidDir(1)) >= 3
        finally:
            os.killpg(family.pid, signal.SIGKILL)


def test_finding_loads_no_psutil() -> None:
    code = "import sys, diagmesh.adapters.neighbour, diagmesh_agents.resources; print('psutil' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "False"
