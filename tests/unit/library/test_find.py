"""A process is found in every way, the same one each time, and what is uncertain or hidden is said."""

import glob
import os
import socket
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from uuid import uuid4

import pytest

from diagmesh.adapters.cgroup_names import group_lines, in_container, in_unit
from diagmesh.adapters.find import Found, find
from diagmesh.adapters.ways import ByPid, way_of
from diagmesh.errors import SettingsError
from diagmesh.settings import TargetSettings
from support.children import Child
from support.natsserver import MakeServer
from support.nobody import as_nobody, needs_root
from support.trees import stat_line

SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"
LISTENER = """
import socket, time
listener = socket.create_server(("{host}", 0), family=socket.{family})
print(listener.getsockname()[1], flush=True)
time.sleep(60)
"""
FORKING = """
import os, time
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print('ready', flush=True)
time.sleep(60)
"""
ID = "ab" * 32
CONTAINERS = [
    f"0::/system.slice/docker-{ID}.scope",
    f"9:memory:/docker/{ID}",
    f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{ID}.scope",
    f"0::/kubepods/burstable/pod1234-5678/{ID}",
    f"0::/kubepods.slice/crio-{ID}.scope",
    f"0::/machine.slice/libpod-{ID}.scope/container",
    f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
    f"4:cpu:/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:{ID}",
    f"0::/../{ID}",
    f"0::/docker/{'cd' * 32}/docker/{ID}",
]


def target(**way: object) -> TargetSettings:
    return TargetSettings(service="orders", **way)  # type: ignore[arg-type]


def found(root: str = "/proc", **way: object) -> Found:
    return find(way_of(target(**way), root), root)


def pid_of(seen: Found) -> int | None:
    return seen.process.pid if seen.process else None


def test_a_go_process_is_found_in_four_ways(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(monitoring=True).start()
    pid_file = tmp_path / "server.pid"
    pid_file.write_text(f"{server.pid}\n", encoding="ascii")
    assert pid_of(found(pid=server.pid)) == server.pid
    assert pid_of(found(pid_file=str(pid_file))) == server.pid
    assert pid_of(found(port=server.port)) == server.pid
    words = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode().rstrip("\0").replace("\0", " ")
    assert pid_of(found(command=glob.escape(words))) == server.pid


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", "AF_INET"), ("::1", "AF_INET6")])
def test_listeners_of_both_families_are_found_by_port(host: str, family: str) -> None:
    if family == "AF_INET6" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with Child(LISTENER.format(host=host, family=family)) as child:
        seen = found(port=int(child.said))
    assert (pid_of(seen), seen.reason) == (child.pid, "")


@needs_root
def test_a_listener_in_another_network_namespace_is_found() -> None:
    script = "import ctypes; assert ctypes.CDLL(None).unshare(0x40000000) == 0\n" + LISTENER.format(
        host="0.0.0.0",  # noqa: S104  its own namespace has no loopback that is up
        family="AF_INET",
    )
    with Child(script) as child:
        seen = found(port=int(child.said))
    assert pid_of(seen) == child.pid


def test_a_command_pattern_finds_its_process_but_never_us() -> None:
    mark = f"mark-{uuid4().hex}"
    with Child(SLEEPER, mark) as child:
        assert pid_of(found(command=f"*{mark}*")) == child.pid
    gone = found(command=f"*{mark}*")
    assert (gone.process, gone.reason, gone.hidden) == (None, "no command line matches", False)
    ours = found(command="*pytest*")
    assert pid_of(ours) != os.getpid()


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("*/orders --port 8080", True),
        ("*orders*--port 80?0*", True),
        ("*orders*[!7]080", True),
        ("/opt/orders/orders --port 8080", True),
        ("*a (b", False),
        ("orders", False),
        ("orders --port 8080", False),
        ("/opt/orders/orders", False),
        ("*Orders*", False),
        ("^/opt.*", False),
        ("*[", False),
        ("(", False),
    ],
)
def test_a_pattern_as_in_a_shell_fits_the_whole_line(tmp_path: Path, pattern: str, fits: bool) -> None:
    plant_process(tmp_path, 1, 0, "/", start=1)
    plant_process(tmp_path, 50, 1, "/", start=9)
    (tmp_path / "50" / "cmdline").write_bytes(b"/opt/orders/orders\0--port\x008080\0")
    seen = found(str(tmp_path), command=pattern)
    assert pid_of(seen) == (50 if fits else None)


def test_a_pattern_without_a_star_is_told_that_it_is_for_the_whole_line(tmp_path: Path) -> None:
    plant_process(tmp_path, 1, 0, "/", start=1)
    assert "'*orders*'" in found(str(tmp_path), command="orders").reason
    assert found(str(tmp_path), command="*orders").reason == "no command line matches"


def test_no_pattern_is_slow_on_any_line(tmp_path: Path) -> None:
    plant_process(tmp_path, 50, 1, "/", start=9)
    (tmp_path / "50" / "cmdline").write_bytes(b"x" * 20_000)
    for pattern in ("*x" * 40 + "y", "(x+x+)+y", "*" * 100 + "y"):
        began = time.thread_time()
        assert found(str(tmp_path), command=pattern).process is None
        assert time.thread_time() - began < 2


def test_of_several_that_fit_the_oldest_ancestor_is_taken_and_the_others_are_counted() -> None:
    mark = f"mark-{uuid4().hex}"
    with Child(FORKING, mark) as first, Child(SLEEPER, mark):
        looks = [found(command=f"*{mark}*") for _ in range(3)]
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
        forked = [int(pid) for pid in children.read_text().split()] if children.exists() else []
    for pid in forked:
        os.kill(pid, 9)
    assert {pid_of(seen) for seen in looks} == {first.pid}
    assert looks[0].reason.startswith("2 other processes fit too (pid ")
    assert "1 of them started by one that fits" in looks[0].reason


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read"), ("nonsense", "holds no process id"), ("4194305", "no process 4194305")],
)
def test_a_pid_file_that_leads_nowhere_says_why(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "app.pid"
    if content is not None:
        path.write_text(content, encoding="ascii")
    seen = found(pid_file=str(path))
    assert seen.process is None
    assert says in seen.reason
    assert str(path) in seen.reason


def test_a_pid_file_that_is_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "app.pid"
    os.mkfifo(path)
    seen: list[Found] = []
    looking = threading.Thread(target=lambda: seen.append(found(pid_file=str(path))), daemon=True)
    looking.start()
    looking.join(5)
    hung = looking.is_alive()
    os.close(os.open(path, os.O_RDWR))  # lets go of whoever still waits
    assert not hung
    assert (seen[0].process, seen[0].reason) == (None, f"the pid file {path} holds no process id")


def test_of_a_large_pid_file_only_the_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "app.pid"
    path.write_text(f"{os.getpid()}\n", encoding="ascii")
    os.truncate(path, 16 << 20)
    tracemalloc.start()
    try:
        seen = found(pid_file=str(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pid_of(seen) == os.getpid()
    assert peak < 1 << 20


def test_a_pid_is_believed_only_once() -> None:
    way = way_of(target(pid=os.getpid()))
    assert pid_of(find(way)) == os.getpid()
    assert isinstance(way, ByPid)
    way._start = 1  # as if an older process had had our number
    assert "belongs to another process" in find(way).reason


def test_nothing_to_look_for_names_the_settings() -> None:
    seen = found()
    assert seen.process is None
    assert all(key in seen.reason for key in ("pid_file", "port", "exe", "command", "systemd", "container"))


def test_nobody_on_the_port_is_said() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert found(port=port).reason == f"nobody listens on TCP port {port}"


@pytest.mark.parametrize("way", [{"container": "abc"}, {"container": "not-hexadecimal-at-all"}])
def test_a_way_that_cannot_work_is_refused_by_its_key(way: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"targets.{next(iter(way))}"):
        way_of(target(**way))


@pytest.mark.parametrize("line", CONTAINERS)
def test_containers_are_known_by_every_runtime_s_path(line: str) -> None:
    lines = group_lines(line)
    assert in_container(lines, ID[:12])
    assert in_container(lines, ID)
    assert not in_container(lines, "ef" * 6)


@pytest.mark.parametrize(
    "line", [f"0::/machine.slice/libpod-conmon-{ID}.scope", f"0::/system.slice/crio-conmon-{ID}.scope"]
)
def test_the_monitor_of_a_container_is_not_in_it(line: str) -> None:
    assert not in_container(group_lines(line), ID[:12])


def test_units_are_known_by_their_own_hierarchy() -> None:
    lines = group_lines(
        "4:memory:/other\n1:name=systemd:/system.slice/orders.service/worker\n0::/system.slice/orders.service"
    )
    assert in_unit(lines, "orders.service")
    assert not in_unit(lines, "worker.service")
    assert in_unit(group_lines("0::/system.slice/system-orders.slice/orders@1.service"), "orders@1.service")


def plant_process(root: Path, pid: int, parent: int, group: str, *, start: int) -> None:
    home = root / str(pid)
    home.mkdir(parents=True)
    (home / "stat").write_text(stat_line(pid, parent=parent, start=start), encoding="utf-8")
    (home / "cgroup").write_text(f"0::{group}\n", encoding="utf-8")


@pytest.mark.parametrize("way", [{"systemd": "orders"}, {"systemd": "orders.service"}, {"container": ID[:12]}])
def test_the_main_process_of_a_group_is_the_one_started_from_outside(tmp_path: Path, way: dict[str, str]) -> None:
    group = "/system.slice/orders.service" if "systemd" in way else f"/docker/{ID}"
    plant_process(tmp_path, 1, 0, "/init.scope", start=1)
    plant_process(tmp_path, 50, 1, group, start=900)
    plant_process(tmp_path, 40, 50, group, start=950)
    plant_process(tmp_path, 60, 40, f"{group}/worker", start=960)
    seen = found(str(tmp_path), **way)
    assert (pid_of(seen), seen.reason) == (50, "")
    missing = found(str(tmp_path), systemd="payments")
    assert "payments.service" in missing.reason


@needs_root
def test_what_rights_hide_is_hidden_not_absent() -> None:
    mark = f"mark-{uuid4().hex}"
    with Child(LISTENER.format(host="127.0.0.1", family="AF_INET"), mark) as child:
        printed = as_nobody(
            "from diagmesh.adapters.find import find\nfrom diagmesh.adapters.ways import way_of\n"
            "from diagmesh.settings import TargetSettings as T",
            f"""
by_port = find(way_of(T(service="orders", port={child.said})))
print(by_port.process, by_port.hidden, "uid 0" in by_port.reason and "CAP_SYS_PTRACE" in by_port.reason)
print(find(way_of(T(service="orders", command="*{mark}*"))).process.pid)
by_exe = find(way_of(T(service="orders", exe="{Path(sys.executable)}")))
print(by_exe.process is not None and "only by its command line" in by_exe.reason)
""",
        )
    assert printed.splitlines() == ["None True True", str(child.pid), "True"]
