"""What the kernel tells of processes and control groups, and files that others write."""

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from diagmesh.adapters.cgroup_files import keyed, number, parse_keyed, parse_stall, stall
from diagmesh.adapters.cgroup_names import group_lines, in_container, in_unit
from diagmesh.adapters.cgroup_places import parse_mounts, places
from diagmesh.adapters.kept import KeptFiles
from diagmesh.adapters.limits import parse_fields, parse_limit
from diagmesh.adapters.mountinfo import mount_of, parse_mountinfo
from diagmesh.adapters.network import network_of, parse_interfaces
from diagmesh.adapters.pid_file import ByPidFile
from diagmesh.adapters.probes.given import host_and_port, service_name
from diagmesh.adapters.procstat import parse_stat
from diagmesh.adapters.sockets import parse_tcp, readable_address
from diagmesh.adapters.web.given import Value, url, without_secrets
from diagmesh.contract.codec import encode
from diagmesh.errors import SettingsError, Unreadable
from diagmesh_agents._launcher import oom
from fuzz.target import Target, text_of

__all__ = ["TARGETS", "in_file"]

_STAT: Final = b"4242 (a (b) c) S 1 4242 4242 0 -1 4194304 100 0 0 0 7 3 0 0 20 0 5 0 9000 1000000 250 1844674407370"
_CGROUP: Final = (
    b"12:cpu,cpuacct:/docker/"
    + b"a" * 64
    + b"\n1:name=systemd:/system.slice/orders.service\n0::/system.slice/x.scope\n"
)
_MOUNTS: Final = (
    b"24 30 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    b"25 30 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n30 1 8:1 / /a\\040b rw - ext4 /dev/sda1 rw\n"
)
_TCP: Final = (
    b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000001 00:00000000 00000000  1000        0 12345 1 0 100 0 0\n"
    b"   1: 00000000000000000000000001000000:1F90 00000000:0000 01 0:0 0:0 0 0 0 99 1\n"
)
_NET: Final = (
    b"Inter-|   Receive\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    b"eth0:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
)
_STALL: Final = (
    b"some avg10=0.12 avg60=1.00 avg300=0.50 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"
)
_LIMITS: Final = (
    b"Limit                     Soft Limit           Hard Limit           Units\n"
    b"Max open files            1024                 unlimited            files\n"
)


def in_file(data: bytes, look: Callable[[Path], None]) -> None:
    """Hand over a file that holds the bytes."""
    with tempfile.TemporaryDirectory(prefix="diagmesh-fuzz-") as folder:
        file = Path(folder, "file")
        file.write_bytes(data)
        file.chmod(0o600)
        look(file)


def _finite(value: object) -> None:
    """As it would be told: as JSON, with numbers that are numbers."""
    json.dumps(json.loads(encode(value)), allow_nan=False)


def _stat(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        encode(parse_stat(data))


def _groups(data: bytes) -> None:
    names, _, mounts = data.partition(b"\n\n")
    lines = group_lines(text_of(names))
    in_unit(lines, "orders.service")
    in_container(lines, "a" * 12)
    with contextlib.suppress(Unreadable):
        places(lines, [(parse_mounts(text_of(mounts)), Path("/nowhere"))])


def _mountinfo(data: bytes) -> None:
    mounts = parse_mountinfo(text_of(data))
    mount_of("/a b/c", mounts)
    parse_mounts(text_of(data))


def _kernel_lines(data: bytes) -> None:
    text = data.decode("ascii", "replace")
    parse_fields(text)
    parse_limit(text, "Max open files")
    for line in text.split("\n"):
        entry = parse_tcp(line)
        if entry is not None:
            with contextlib.suppress(ValueError):  # the kernel writes 8 or 32 digits
                readable_address(entry.address)
    _finite(network_of(parse_interfaces(text), each=True))


def _cgroup_files(data: bytes) -> None:
    text = data.decode("ascii", "replace")
    parse_keyed(text)
    if (pressure := parse_stall(text)) is not None:
        _finite(pressure)

    def look(file: Path) -> None:
        for read in (number, keyed, stall):
            with contextlib.suppress(Unreadable):
                read(KeptFiles(), str(file), "memory")
        oom._number(file, "oom_kill")
        ByPidFile(str(file)).look()

    in_file(data, look)


def _addresses(data: bytes) -> None:
    text = text_of(data)
    assert "hunter2" not in without_secrets(f"http://user:hunter2@{text}")
    for read in (url, host_and_port, service_name):
        try:
            read(text, "key")
        except SettingsError as error:
            assert "hunter2" not in str(error)
    for given in (text, "http://user:hunter2@" + text):
        with contextlib.suppress(SettingsError):
            assert "hunter2" not in url(given, "key").shown
    with contextlib.suppress(SettingsError):
        assert "\n" not in Value("X-Token", text, "key").read()


TARGETS: Final = (
    Target("proc-stat", _stat, ("diagmesh.adapters.procstat",), (_STAT, b"1 () R")),
    Target(
        "cgroup-names",
        _groups,
        ("diagmesh.adapters.cgroup_names", "diagmesh.adapters.cgroup_places", "diagmesh.adapters.cgroup"),
        (_CGROUP + b"\n" + _MOUNTS, "²::/x".encode()),
    ),
    Target(
        "mountinfo",
        _mountinfo,
        ("diagmesh.adapters.mountinfo", "diagmesh.adapters.filesystems"),
        (_MOUNTS, b"\\777 - "),
    ),
    Target(
        "kernel-lines",
        _kernel_lines,
        ("diagmesh.adapters.limits", "diagmesh.adapters.sockets", "diagmesh.adapters.network"),
        (_TCP, _NET, _LIMITS, b"Rss: 12 kB\nPss: 7 kB\n", b"x: " + b"9" * 5000),
    ),
    Target(
        "cgroup-files",
        _cgroup_files,
        ("diagmesh.adapters.cgroup_files", "diagmesh.adapters.pid_file", "diagmesh_agents._launcher.oom"),
        (
            _STALL,
            b"nr_periods 12\nnr_throttled -3\n",
            b"max\n",
            b"4711\n",
            b"oom_kill 3\n",
            b"some avg10=nan total=inf",
        ),
    ),
    Target(
        "addresses",
        _addresses,
        ("diagmesh.adapters.probes.given", "diagmesh.adapters.web.given"),
        (
            b"http://h:80/p?a=b",
            b"https://u:p@[::1]:8443/x",
            b"host:80",
            b"[::1]:80",
            b"orders",
            "http://ä.b/".encode(),
            b"h\xff:1",
        ),
    ),
)
