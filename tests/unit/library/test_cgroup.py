"""Control groups of every layout from small trees, and the quota of a real group where the machine allows one."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from diagmesh.adapters.cgroup import CgroupLook, CgroupReader
from diagmesh.adapters.cgroup_files import number, parse_stall, text
from diagmesh.adapters.kept import KeptFiles
from diagmesh.adapters.procfs import PidDir
from diagmesh.contract.answers.cgroup import Bound, CgroupVersion, PressureScope
from diagmesh.errors import Unreadable
from support.children import Child, until
from support.nobody import as_nobody, needs_root
from support.quota import cpu_group, join
from support.trees import DATA, plant, stat_line

PID = 4242


def look(name: str, tmp_path: Path) -> CgroupLook:
    root = plant((DATA / "cgroups" / f"{name}.tree").read_text(encoding="utf-8"), tmp_path)
    (root / "proc" / str(PID) / "stat").write_text(stat_line(PID), encoding="utf-8")
    directory = PidDir(PID, f"{root}/proc")
    return CgroupReader(directory, str(root), f"{root}/proc").look()


def test_v2_unit_has_the_tightest_limits_and_its_own_events(tmp_path: Path) -> None:
    seen = look("v2_unit", tmp_path)
    assert seen.blind == ()
    assert seen.cgroup is not None
    assert (seen.cgroup.version, seen.cgroup.path) == (CgroupVersion.V2, "/system.slice/orders.service")
    assert seen.cgroup.ancestors_visible
    memory = seen.memory
    assert memory is not None
    assert memory.bound is Bound.LIMITED
    assert (memory.limit_bytes, memory.high_bytes) == (512 << 20, 384 << 20)
    assert memory.usage_bytes == 443547648
    assert memory.working_set_bytes == 443547648 - 40894464
    assert memory.share_of_limit == pytest.approx((443547648 - 40894464) / (512 << 20))
    assert memory.headroom_bytes == (512 << 20) - (443547648 - 40894464)
    assert memory.share_at == ""
    assert memory.events is not None
    assert (memory.events.high, memory.events.max, memory.events.oom, memory.events.oom_kill) == (17, 5, 4, 3)


def test_v2_quota_throttling_tasks_and_pressure_of_the_group(tmp_path: Path) -> None:
    seen = look("v2_unit", tmp_path)
    assert seen.cpu is not None
    assert seen.cpu.quota_cores == pytest.approx(0.5)
    assert (seen.cpu.period_s, seen.cpu.usage_s) == pytest.approx((0.1, 12.5))
    assert (seen.cpu.periods, seen.cpu.throttled_periods, seen.cpu.throttled_s) == pytest.approx((200, 50, 3.0))
    assert seen.pids is not None
    assert (seen.pids.limit, seen.pids.current, seen.pids.share_of_limit) == (100, 25, 0.25)
    assert seen.pressure is not None
    assert seen.pressure.scope is PressureScope.CGROUP
    assert seen.pressure.cpu is not None
    assert seen.pressure.cpu.some_avg10 == pytest.approx(0.125)
    assert seen.pressure.cpu.full_total_s == pytest.approx(3.0)


def test_a_pod_can_be_nearer_to_its_limit_than_its_container(tmp_path: Path) -> None:
    seen = look("v2_pod", tmp_path)
    assert seen.memory is not None
    assert seen.memory.limit_bytes == 900_000_000
    assert seen.memory.share_of_limit == pytest.approx(0.95)
    assert seen.memory.share_at == "/kubepods.slice/kubepods-pod7.slice"
    assert seen.memory.headroom_bytes == 50_000_000
    assert seen.cpu is not None
    assert seen.cpu.quota_cores == pytest.approx(0.25)
    assert (seen.cpu.periods, seen.cpu.throttled_periods) == (40, 10), "counters of the level that has the quota"


def test_the_kernel_without_pressure_is_blind_with_the_way_to_get_it(tmp_path: Path) -> None:
    seen = look("v2_pod", tmp_path)
    assert seen.pressure is None
    assert [(blind.what, "psi=1" in blind.fix) for blind in seen.blind] == [("pressure", True)]


def test_v1_says_unlimited_with_a_huge_number_and_counts_in_its_own_files(tmp_path: Path) -> None:
    seen = look("v1_docker", tmp_path)
    assert seen.cgroup is not None
    assert seen.cgroup.version is CgroupVersion.V1
    memory = seen.memory
    assert memory is not None
    assert (memory.limit_bytes, memory.usage_bytes) == (256 << 20, 192 << 20)
    assert memory.share_of_limit == pytest.approx(0.5)
    assert memory.peak_bytes == 256 << 20
    assert memory.events is not None
    assert (memory.events.max, memory.events.oom_kill, memory.events.high) == (31, 2, None)
    assert seen.cpu is not None
    assert seen.cpu.quota_cores == pytest.approx(1.5)
    assert (seen.cpu.throttled_s, seen.cpu.usage_s) == pytest.approx((7.5, 42.0))
    assert seen.pids is not None
    assert seen.pids.share_of_limit == pytest.approx(0.25)
    assert seen.pressure is not None
    assert seen.pressure.scope is PressureScope.HOST


def test_inside_a_v1_container_no_limit_in_sight_is_not_called_unlimited(tmp_path: Path) -> None:
    seen = look("v1_inside", tmp_path)
    assert seen.cgroup is not None
    assert not seen.cgroup.ancestors_visible
    assert seen.memory is not None
    assert (seen.memory.bound, seen.memory.limit_bytes) == (Bound.UNKNOWN, None)
    assert seen.cpu is not None
    assert seen.cpu.bound is Bound.LIMITED
    assert seen.cpu.quota_cores == pytest.approx(0.2)
    assert "cgroup memory of the ancestors" in [blind.what for blind in seen.blind]
    assert all(blind.fix for blind in seen.blind)


def test_hybrid_takes_limits_from_v1_and_pressure_from_v2(tmp_path: Path) -> None:
    seen = look("hybrid", tmp_path)
    assert seen.cgroup is not None
    assert seen.cgroup.version is CgroupVersion.HYBRID
    assert seen.memory is not None
    assert seen.memory.share_of_limit == pytest.approx(0.25)
    assert seen.pressure is not None
    assert seen.pressure.scope is PressureScope.CGROUP
    assert seen.pressure.memory is not None
    assert seen.pressure.memory.full_avg10 == pytest.approx(0.2)
    assert seen.pressure.cpu is None


def test_a_group_outside_of_our_namespace_is_blind_and_our_own_limit_is_not_taken_for_its(tmp_path: Path) -> None:
    seen = look("v2_elsewhere", tmp_path)
    assert seen.memory is None
    assert seen.cpu is None
    assert any(blind.what == "cgroup" and "namespace" in blind.why and blind.fix for blind in seen.blind)


def test_a_group_outside_of_our_namespace_is_seen_through_the_root_of_the_process(tmp_path: Path) -> None:
    own = tmp_path / "proc" / str(PID) / "root" / "sys" / "fs" / "cgroup"
    own.mkdir(parents=True)
    (own / "cgroup.type").write_text("domain\n", encoding="utf-8")
    (own / "memory.max").write_text("4000\n", encoding="utf-8")
    (own / "memory.current").write_text("1000\n", encoding="utf-8")
    seen = look("v2_elsewhere", tmp_path)
    assert seen.memory is not None
    assert (seen.memory.limit_bytes, seen.memory.share_of_limit) == (4000, 0.25)
    assert seen.cgroup is not None
    assert not seen.cgroup.ancestors_visible


def test_a_moved_process_is_followed(tmp_path: Path) -> None:
    root = plant((DATA / "cgroups" / "v2_unit.tree").read_text(encoding="utf-8"), tmp_path)
    home = root / "proc" / str(PID)
    (home / "stat").write_text(stat_line(PID), encoding="utf-8")
    reader = CgroupReader(PidDir(PID, f"{root}/proc"), str(root), f"{root}/proc")
    first = reader.look().memory
    (home / "cgroup").write_text("0::/system.slice\n", encoding="utf-8")
    second = reader.look().memory
    assert first is not None
    assert second is not None
    assert (first.limit_bytes, second.limit_bytes) == (512 << 20, 2 << 30)


@needs_root
def test_files_without_read_permission_are_blind() -> None:
    with TemporaryDirectory() as folder:  # not tmp_path: its parents are closed to other users
        root = plant((DATA / "cgroups" / "v2_unit.tree").read_text(encoding="utf-8"), Path(folder))
        root.chmod(0o755)
        (root / "proc" / str(PID) / "stat").write_text(stat_line(PID), encoding="utf-8")
        for file in root.rglob("memory.current"):
            file.chmod(0)
        printed = as_nobody(
            "from diagmesh.adapters.cgroup import CgroupReader\nfrom diagmesh.adapters.procfs import PidDir",
            f"look = CgroupReader(PidDir({PID}, '{root}/proc'), '{root}', '{root}/proc').look()\n"
            "print(look.memory, look.cpu.quota_cores, [(b.what, bool(b.fix)) for b in look.blind])",
        )
    assert printed == "None 0.5 [('memory usage', True)]"


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Opening anything more fails with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_cannot_be_opened_is_refused_not_unlimited(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1000\n", encoding="ascii")
    with no_descriptor_left(), pytest.raises(Unreadable, match=r"memory limit: .*memory\.max.*Too many open files"):
        number(KeptFiles(), str(limit), "memory limit")
    assert number(KeptFiles(), str(limit), "memory limit") == 1000
    assert number(KeptFiles(), str(tmp_path / "memory.high"), "memory limit") is None


@pytest.mark.parametrize("absent", [errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP])
def test_what_the_kernel_does_not_keep_is_none(monkeypatch: pytest.MonkeyPatch, absent: int) -> None:
    monkeypatch.setattr(os, "pread", lambda *_: raising(absent))
    assert text(KeptFiles(), "/dev/null", "pressure") is None


@pytest.mark.parametrize("broken", [errno.EIO, errno.EINVAL, errno.EPERM])
def test_what_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, broken: int) -> None:
    monkeypatch.setattr(os, "pread", lambda *_: raising(broken))
    with pytest.raises(Unreadable, match="pressure"):
        text(KeptFiles(), "/dev/null", "pressure")


def raising(number: int) -> bytes:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("content", ["", "much\n", "12 13\n"])
def test_a_limit_of_another_form_is_refused_not_unlimited(tmp_path: Path, content: str) -> None:
    (tmp_path / "pids.max").write_text(content, encoding="ascii")
    with pytest.raises(Unreadable, match=r"task limit: pids\.max of the control group holds no number"):
        number(KeptFiles(), str(tmp_path / "pids.max"), "task limit")


def unit_tree(tmp_path: Path) -> tuple[CgroupReader, Path]:
    """The reader of the tree of a v2 unit, and the directory of its group."""
    root = plant((DATA / "cgroups" / "v2_unit.tree").read_text(encoding="utf-8"), tmp_path)
    (root / "proc" / str(PID) / "stat").write_text(stat_line(PID), encoding="utf-8")
    reader = CgroupReader(PidDir(PID, f"{root}/proc"), str(root), f"{root}/proc")
    return reader, root / "sys/fs/cgroup/system.slice/orders.service"


def test_a_limit_stands_also_when_what_is_used_of_it_cannot_be_told(tmp_path: Path) -> None:
    reader, group = unit_tree(tmp_path)
    (group / "memory.current").unlink()
    (group / "pids.current").unlink()
    seen = reader.look()
    assert seen.memory is not None
    assert (seen.memory.bound, seen.memory.limit_bytes) == (Bound.LIMITED, 512 << 20)
    assert (seen.memory.share_of_limit, seen.memory.headroom_bytes) == (None, None)
    assert seen.pids is not None
    assert (seen.pids.bound, seen.pids.limit, seen.pids.share_of_limit) == (Bound.LIMITED, 100, None)
    assert {"cgroup memory of its limit", "cgroup pids of its limit"} == {blind.what for blind in seen.blind}


@pytest.mark.parametrize("content", ["50000\n", "much 100000\n", "50000 0\n", ""])
def test_a_quota_of_another_form_is_refused_not_unlimited(tmp_path: Path, content: str) -> None:
    reader, group = unit_tree(tmp_path)
    (group / "cpu.max").write_text(content, encoding="ascii")
    seen = reader.look()
    assert seen.cpu is None
    assert [blind.what for blind in seen.blind] == ["cpu quota"]
    assert reader.cpu() is None


def test_throttled_time_that_is_not_counted_is_not_zero(tmp_path: Path) -> None:
    reader, group = unit_tree(tmp_path)
    (group / "cpu.stat").write_text("usage_usec 12500000\nnr_periods 200\nnr_throttled 50\n", encoding="ascii")
    cpu = reader.look().cpu
    assert cpu is not None
    assert (cpu.throttled_periods, cpu.throttled_s) == (50, None)


@needs_root
def test_a_group_behind_a_closed_door_is_blind_with_the_reason() -> None:
    with TemporaryDirectory() as folder:  # not tmp_path: its parents are closed to other users
        Path(folder).chmod(0o755)
        _, group = unit_tree(Path(folder))
        group.parent.chmod(0)
        printed = as_nobody(
            "from diagmesh.adapters.cgroup import CgroupReader\nfrom diagmesh.adapters.procfs import PidDir",
            f"look = CgroupReader(PidDir({PID}, '{folder}/proc'), '{folder}', '{folder}/proc').look()\n"
            "print(look.memory, [(b.what, b.why, bool(b.fix)) for b in look.blind][:1])",
        )
    assert printed == "None [('cgroup', 'permission denied: orders.service of the control group', True)]"


@pytest.mark.parametrize("content", ["", "some avg10=x", "nonsense\n\n", "full avg10=1.0 avg60=1 avg300=1 total=1"])
def test_a_pressure_file_of_another_form_is_none(content: str) -> None:
    assert parse_stall(content) is None


def test_a_burner_in_a_real_group_runs_into_its_quota() -> None:
    with cpu_group(0.2) as group, Child("print('ready', flush=True)\nwhile True: pass") as burner:
        join(group, burner.pid)
        reader = CgroupReader(PidDir(burner.pid))
        seen = until(reader.cpu, lambda cpu: cpu is not None and (cpu.throttled_periods or 0) >= 3)
    assert seen is not None
    assert seen.bound is Bound.LIMITED
    assert seen.quota_cores == pytest.approx(0.2)
    assert (seen.throttled_periods or 0) >= 3
    assert (seen.throttled_s or 0) > 0
