"""A process's files: parsed whatever its name is, bound to its identity, and refusals that say the way out."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.adapters import procfs
from diagmesh.adapters.limits import (
    Limit,
    Limits,
    context_switches_of,
    io_of,
    memory_split_of,
    oom_score_of,
    parse_fields,
    parse_limit,
    peak_rss_of,
)
from diagmesh.adapters.procfs import PidDir
from diagmesh.adapters.procstat import parse_stat, parse_state
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.errors import NotRunning, Unreadable
from support.children import Child, until
from support.nobody import NOBODY, as_nobody, needs_root
from support.trees import plant, stat_line

NOFILE = "Max open files"
SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=15))
def test_any_process_name_is_read(name: str) -> None:
    stat = parse_stat(stat_line(7, name=name, state="D", parent=3, start=99).encode())
    assert (stat.name, stat.state, stat.parent, stat.start_ticks) == (name, ProcessState.BLOCKED, 3, 99)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_statistics_or_refused(data: bytes) -> None:
    try:
        parse_stat(data)
    except ValueError:
        return
    assert b"(" in data


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_fields_or_none(text: str) -> None:
    assert all(isinstance(value, int) for value in parse_fields(text).values())
    assert parse_limit(text, NOFILE) is None or "Max open files" in text


def test_unlimited_is_none_not_a_number() -> None:
    line = "Max open files            1024                 unlimited            files     "
    assert parse_limit(f"Limit\n{line}\n", NOFILE) == Limit(1024, None)


def test_our_own_process_is_told_as_python_knows_it() -> None:
    own = PidDir(os.getpid())
    stat = own.living_stat()
    assert stat.state in {ProcessState.RUNNING, ProcessState.SLEEPING}
    assert stat.parent == os.getppid()
    times = os.times()
    assert stat.user_s + stat.system_s == pytest.approx(times.user + times.system, abs=0.5)
    assert tuple(Limits(own).descriptors()) == resource.getrlimit(resource.RLIMIT_NOFILE)
    split = memory_split_of(own)
    assert 0 < split.uss <= split.pss <= stat.rss_bytes * 2
    assert peak_rss_of(own) >= stat.rss_bytes * 0.5
    assert context_switches_of(own).voluntary > 0
    assert 0 <= oom_score_of(own) <= 2000
    before = io_of(own).call_read_bytes
    with open("/dev/zero", "rb", buffering=0) as zero:  # noqa: PTH123  unbuffered
        zero.read(5000)
    assert io_of(own).call_read_bytes >= before + 5000


@needs_root
@pytest.mark.parametrize(("user", "limit"), [(NOBODY, 4321), (0, None)])
def test_the_limit_of_tasks_is_that_of_the_user_and_root_has_none(user: int, limit: int | None) -> None:
    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (4321, 5000))

    script = f"import os; os.setuid({user}); " + SLEEPER
    with Child(script, preexec_fn=bound) as child:
        assert Limits(PidDir(child.pid)).tasks().soft == limit


def test_descriptors_are_counted() -> None:
    own = PidDir(os.getpid())
    before = own.descriptors()
    pipes = [os.pipe() for _ in range(20)]
    assert own.descriptors() == before + 40
    assert len(own.names("fd", "descriptors")) >= before + 40
    for pipe in pipes:
        for end in pipe:
            os.close(end)
    assert own.descriptors() == before


def test_where_the_size_of_the_directory_is_no_count_the_descriptors_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = PidDir(os.getpid())
    listed = len(own.names("fd", "descriptors"))
    real, sizes = os.stat, []

    def without_size(path: Any, **named: Any) -> Any:
        if path != "fd":
            return real(path, **named)
        sizes.append(0)
        return SimpleNamespace(st_size=0)

    monkeypatch.setattr(procfs, "_FD_SIZE_COUNTS", True)
    monkeypatch.setattr(os, "stat", without_size)
    counted = own.descriptors()
    monkeypatch.undo()
    assert (counted, sizes) == (listed, [0])


def test_a_process_that_ended_is_not_running_whatever_is_asked() -> None:
    with Child(SLEEPER) as child:
        directory = PidDir(child.pid)
        child.kill()
    for look in (
        directory.living_stat,
        directory.descriptors,
        lambda: Limits(directory).descriptors(),
        lambda: io_of(directory),
    ):
        with pytest.raises(NotRunning, match=f"process {child.pid} has ended"):
            look()
    with pytest.raises(NotRunning):
        memory_split_of(directory)


def test_a_zombie_is_not_running_and_its_parent_is_named() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    directory = PidDir(child.pid)
    try:
        state = until(lambda: directory.stat().state, lambda seen: not seen.alive)
        assert state is ProcessState.ZOMBIE
        with pytest.raises(NotRunning, match=f"zombie: its parent, process {os.getpid()}"):
            directory.living_stat()
    finally:
        child.wait()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_the_state_alone_is_that_of_the_whole_line_or_refused(data: bytes) -> None:
    try:
        whole = parse_stat(data).state
    except ValueError:
        return
    assert parse_state(data) is whole


@pytest.mark.parametrize("state", list("RSDTtZXxIP?"))
def test_every_state_is_read_from_a_line_of_any_name(state: str) -> None:
    line = stat_line(7, name="a) b (Z) ", state=state).encode()
    assert parse_state(line) is parse_stat(line).state
    with pytest.raises(ValueError, match="no process statistics"):
        parse_state(b"")


def test_a_pid_that_nobody_has_is_not_running() -> None:
    with pytest.raises(NotRunning, match="there is no process"):
        PidDir(2**22 + 1)


@needs_root
def test_a_process_of_another_user_is_refused_with_the_way_out() -> None:
    printed = as_nobody(
        "from diagmesh.adapters.procfs import PidDir\nfrom diagmesh.adapters import limits\n"
        "from diagmesh.errors import Unreadable",
        f"""
directory = PidDir({os.getpid()})
print(directory.living_stat().threads > 0)
for read in (limits.io_of, limits.memory_split_of, lambda d: d.link("exe", "executable"), lambda d: d.names("fd", "x")):
    try:
        print(read(directory))
    except Unreadable as refusal:
        print("uid 0" in refusal.why, "uid 65534" in refusal.why, "same user" in refusal.fix)
""",
    )
    assert printed.splitlines() == ["True", *["True True True"] * 4]


def planted(root: Path, files: str) -> PidDir:
    """A process of a small tree; ``files`` are those below its directory."""
    plant(files, root / "7")
    (root / "7" / "stat").write_text(stat_line(7), encoding="utf-8")
    return PidDir(7, str(root))


def test_switches_that_the_kernel_does_not_count_are_refused_not_zero(tmp_path: Path) -> None:
    process = planted(tmp_path, "@ task/7/status\nName:\tapp\nThreads:\t1\n")
    with pytest.raises(Unreadable, match="context switches: this kernel does not count them"):
        context_switches_of(process)


def test_switches_of_no_thread_at_all_are_refused_not_zero(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="context switches"):
        context_switches_of(planted(tmp_path, "@ task/7/\n"))


@pytest.mark.parametrize(("threads", "told"), [(512, True), (513, False)])
def test_more_threads_than_512_are_not_read_one_by_one(tmp_path: Path, threads: int, told: bool) -> None:
    status = "voluntary_ctxt_switches:\t2\nnonvoluntary_ctxt_switches:\t1\n"
    process = planted(tmp_path, "".join(f"@ task/{number}/status\n{status}" for number in range(1, threads + 1)))
    if told:
        seen = context_switches_of(process)
        assert (seen.voluntary, seen.involuntary) == (2 * threads, threads)
    else:
        with pytest.raises(Unreadable, match="513 threads are too many"):
            context_switches_of(process)


def test_a_thread_that_cannot_be_opened_is_refused_not_left_out(tmp_path: Path) -> None:
    status = "voluntary_ctxt_switches:\t2\nnonvoluntary_ctxt_switches:\t1\n"
    process = planted(tmp_path, f"@ task/7/status\n{status}@ task/8/status -> status\n")  # a loop of links: ELOOP
    with pytest.raises(Unreadable, match="context switches"):
        context_switches_of(process)
