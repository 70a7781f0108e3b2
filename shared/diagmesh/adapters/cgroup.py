"""Limits of a process's control group, and how near it is to them; live or from a recorded tree."""

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from diagmesh.adapters.blinds import Blinds
from diagmesh.adapters.cgroup_files import stall
from diagmesh.adapters.cgroup_limits import cpu_of, memory_of, pids_of
from diagmesh.adapters.cgroup_names import group_lines
from diagmesh.adapters.cgroup_places import Mount, Place, Places, parse_mounts, places
from diagmesh.adapters.kept import KeptFiles
from diagmesh.adapters.procfs import PROC, PidDir
from diagmesh.contract.answers.cgroup import (
    Bound,
    Cgroup,
    CgroupCpu,
    CgroupMemory,
    CgroupPids,
    Pressures,
    PressureScope,
    Stall,
)
from diagmesh.contract.wire import Blind
from diagmesh.errors import Unreadable

__all__ = ["CgroupLook", "CgroupReader"]

_SHARE: Final = (
    "mount the host's /sys/fs/cgroup into the sidecar and run it in the host's cgroup namespace,"
    " or give it CAP_SYS_PTRACE and a shared process namespace"
)
_NO_PRESSURE: Final = "use a kernel with CONFIG_PSI, started with psi=1"
L = TypeVar("L", CgroupCpu, CgroupMemory, CgroupPids)


class CgroupLook(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One look at a control group. None is *not seen*; ``blind`` says why."""

    cgroup: Cgroup | None = None
    cpu: CgroupCpu | None = None
    memory: CgroupMemory | None = None
    pids: CgroupPids | None = None
    pressure: Pressures | None = None
    blind: tuple[Blind, ...] = ()


class CgroupReader:
    """Reads the control groups of one process; finds them again when the process is moved.

    Args:
        process: whose they are.
        root: what the mount points are relative to; another one for a recorded tree.
        proc: the process directory of the same tree.
    """

    def __init__(self, process: PidDir, root: str = "/", proc: str = PROC) -> None:
        self._process = process
        self._root = Path(root)
        self._proc = proc
        self._member = b""
        self._files = KeptFiles()
        self._places: Places | None = None

    def look(self) -> CgroupLook:
        """Limits, use, events and pressure; raises `NotRunning` when the process is gone."""
        blinds = Blinds()
        found = blinds.see(self._locate)
        if found is None:
            return CgroupLook(blind=blinds.all())
        files = self._files
        main = found.of("memory") or found.of("") or next(iter(found.by_controller.values()), None)
        for name in found.hidden:
            if name in {"memory", "cpu", "pids", ""}:
                blinds.met(_hidden(f"cgroup {name}".strip()))
        memory, cpu, pids = (_holder(found, name) for name in ("memory", "cpu", "pids"))
        return CgroupLook(
            cgroup=main and Cgroup(version=found.version, path=main.path, ancestors_visible=_all_whole(found)),
            memory=memory and blinds.see(lambda: _warned(memory_of(files, memory), memory, "memory", blinds)),
            cpu=cpu and blinds.see(lambda: _warned(cpu_of(files, cpu, found.of("cpuacct")), cpu, "cpu", blinds)),
            pids=pids and blinds.see(lambda: _warned(pids_of(files, pids), pids, "pids", blinds)),
            pressure=blinds.see(lambda: self._pressure(found.of(""))),
            blind=blinds.all(),
        )

    def cpu(self) -> CgroupCpu | None:
        """The CPU counters alone, for the ring; None where they cannot be seen."""
        try:
            found = self._locate()
            place = _holder(found, "cpu")
            return cpu_of(self._files, place, found.of("cpuacct")) if place else None
        except Unreadable:
            return None

    def _locate(self) -> Places:
        member = self._process.read_again("cgroup", "cgroup")
        if self._places is None or member != self._member:
            lines = group_lines(member.decode("utf-8", "replace"))
            if not lines:
                raise Unreadable("cgroup", "this kernel has no control groups")
            ours = Path(self._proc, "self", "mountinfo")
            views = [(parse_mounts(_read(ours)), self._root)]
            found = places(lines, views)
            if found.hidden:
                found = places(lines, [*views, (self._its_mounts(), Path(self._process.path("root")))])
            # What was kept open of another group is closed with it.
            self._places, self._member, self._files = found, member, KeptFiles()
        return self._places

    def _its_mounts(self) -> list[Mount]:
        try:
            return parse_mounts(self._process.read("mountinfo", "cgroup").decode("utf-8", "replace"))
        except Unreadable:
            return []

    def _pressure(self, place: Place | None) -> Pressures:
        stalls = {} if place is None or place.is_root else _stalls(self._files, f"{place.directories[0]}/", ".pressure")
        scope = PressureScope.CGROUP if stalls else PressureScope.HOST
        stalls = stalls or _stalls(self._files, f"{self._proc}/pressure/", "")
        if not stalls:
            raise Unreadable("pressure", "the kernel keeps no pressure information", _NO_PRESSURE)
        return Pressures(scope=scope, **stalls)


def _stalls(files: KeptFiles, before: str, after: str) -> dict[str, Stall]:
    seen = {name: stall(files, f"{before}{name}{after}", "pressure") for name in ("cpu", "memory", "io")}
    return {name: one for name, one in seen.items() if one is not None}


def _holder(found: Places, controller: str) -> Place | None:
    """The group that a controller holds to its limits: that of its own hierarchy, else (v2) that of the unified one."""
    return None if controller in found.hidden else found.of(controller) or found.of("")


def _all_whole(found: Places) -> bool:
    return all(place.whole for name, place in found.by_controller.items() if "=" not in name) and not found.hidden


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Unreadable("cgroup", f"cannot read the mounts: {error.strerror}") from None


def _warned(look: L, place: Place, name: str, blinds: Blinds) -> L:
    """Say so when a tighter limit may stand above what can be seen, or when it cannot be told how near one is."""
    if look.bound is Bound.UNKNOWN and not place.whole:
        blinds.met(_hidden(f"cgroup {name} of the ancestors"))
    if not isinstance(look, CgroupCpu) and look.bound is Bound.LIMITED and look.share_of_limit is None:
        blinds.met(Unreadable(f"cgroup {name} of its limit", "the kernel does not tell how much of it is in use"))
    return look


def _hidden(what: str) -> Unreadable:
    return Unreadable(what, "it lies outside the cgroup namespace or the mounts of the sidecar", _SHARE)
