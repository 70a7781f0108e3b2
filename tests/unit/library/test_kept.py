"""Files that stay open tell what is true now: of a process that ended, of a group that was left or made again."""

import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from diagmesh.adapters import kept
from diagmesh.adapters.cgroup import CgroupReader
from diagmesh.adapters.kept import KeptFiles, read_once
from diagmesh.adapters.limits import Limits, io_of, oom_score_of
from diagmesh.adapters.procfs import PidDir
from diagmesh.errors import NotRunning
from support.children import Child
from support.quota import join, task_group

SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"


def held() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_is_opened_once_and_told_anew_each_time() -> None:
    own = PidDir(os.getpid())
    before = io_of(own).call_read_bytes
    count = held()
    for _ in range(20):
        assert io_of(own).call_read_bytes > before
        before = io_of(own).call_read_bytes
    assert held() == count


def test_a_limit_that_is_changed_from_outside_is_seen() -> None:
    with Child(SLEEPER) as child:
        process = PidDir(child.pid)
        assert Limits(process).descriptors().soft != 77
        resource.prlimit(child.pid, resource.RLIMIT_NOFILE, (77, 88))
        assert tuple(Limits(process).descriptors()) == (77, 88)


@pytest.mark.parametrize("look", [io_of, oom_score_of, lambda process: Limits(process).descriptors()])
def test_what_was_kept_open_of_a_process_that_ended_tells_nothing_of_another_one(
    look: Callable[[PidDir], object],
) -> None:
    with Child(SLEEPER) as child:
        process = PidDir(child.pid)
        look(process)
        child.kill()
    with pytest.raises(NotRunning):
        look(process)


def test_everything_is_closed_with_the_last_reference() -> None:
    with Child(SLEEPER) as child:
        before = held()
        process = PidDir(child.pid)
        CgroupReader(process).look()
        Limits(process).descriptors()
        assert held() > before + 2
        del process
        assert held() == before


def tasks(reader: CgroupReader) -> tuple[int | None, int | None]:
    seen = reader.look()
    assert seen.pids is not None, seen.blind
    return seen.pids.limit, seen.pids.current


def test_a_process_that_is_moved_is_followed_and_the_files_of_its_old_group_are_closed() -> None:
    with task_group(111) as first, task_group(222) as second, Child(SLEEPER) as child:
        reader = CgroupReader(PidDir(child.pid))
        join(first, child.pid)
        assert tasks(reader) == (111, 1)
        (first / "pids.max").write_text("99", encoding="ascii")
        assert tasks(reader) == (99, 1)
        join(second, child.pid)
        assert tasks(reader) == (222, 1)
        now_open = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
        assert [name for name in now_open if name.startswith(str(second))]
        assert not [name for name in now_open if name.startswith(str(first))]


def test_a_group_that_was_removed_and_made_again_under_its_name_is_read_anew() -> None:
    with task_group(111) as away, task_group(5) as group, Child(SLEEPER) as child:
        reader = CgroupReader(PidDir(child.pid))
        join(group, child.pid)
        assert tasks(reader) == (5, 1)
        join(away, child.pid)
        group.rmdir()
        group.mkdir()
        (group / "pids.max").write_text("6", encoding="ascii")
        join(group, child.pid)  # nobody has looked meanwhile: its membership is as before
        assert tasks(reader) == (6, 1)


def test_a_large_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "large"
    for size in (0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 100_000):
        file.write_bytes(os.urandom(size))
        assert read_once(str(file)) == KeptFiles().read(str(file)) == file.read_bytes()


def test_above_a_bound_nothing_more_is_kept_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", kept._Open.count + 3)
    files, before = KeptFiles(), held()
    for number in range(10):
        (tmp_path / str(number)).write_text(str(number), encoding="ascii")
        assert files.read(str(tmp_path / str(number))) == str(number).encode()
    assert held() == before + 3


def test_many_threads_read_the_same_file_and_leave_one_open() -> None:
    files, before, read = KeptFiles(), held(), list[bytes]()

    def many() -> None:
        read.extend(files.read("/proc/self/limits") for _ in range(200))

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read) == {Path("/proc/self/limits").read_bytes()}
    assert len(read) == 1600
    assert held() == before + 1
