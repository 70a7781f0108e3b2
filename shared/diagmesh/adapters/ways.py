"""The ways to find a process: each tells which processes fit, or why none does, and names its setting."""

import fnmatch
import os
import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from diagmesh.adapters.cgroup_names import GroupLine, group_lines, in_container, in_unit, unit_name
from diagmesh.adapters.fits import Fits
from diagmesh.adapters.listening import holders_of_port
from diagmesh.adapters.pid_file import ByPidFile
from diagmesh.adapters.procfs import PROC, PidDir, pids
from diagmesh.errors import NotRunning, SettingsError, Unreadable
from diagmesh.settings import TargetSettings

__all__ = ["ByPid", "Nowhere", "Way", "way_of"]

_ID_LEAST: Final = 12
_DELETED: Final = " (deleted)"


class Way(Protocol):
    """One way to find a process."""

    words: str

    def look(self) -> Fits:
        """Search now: up to some milliseconds per hundred processes of the machine."""
        ...


class ByPid:
    """A process id. It is believed once: another process that got the same number later does not fit."""

    def __init__(self, pid: int, root: str) -> None:
        self.words = f"pid {pid}"
        self._pid = pid
        self._root = root
        self._start: int | None = None

    def look(self) -> Fits:
        """That process, if it is still the first one that was seen under this number."""
        try:
            start = PidDir(self._pid, self._root).stat().start_ticks
        except NotRunning as gone:
            return Fits(reason=str(gone))
        if self._start is None:
            self._start = start
        if start != self._start:
            return Fits(reason=f"process {self._pid} has ended, and its number now belongs to another process")
        return Fits((self._pid,))


class ByPort:
    """A listening TCP port, in our network namespace or that of any process that we may look into."""

    def __init__(self, port: int, root: str) -> None:
        self.words = f"port {port}"
        self._port = port
        self._root = root

    def look(self) -> Fits:
        """The processes that hold a socket which listens on the port."""
        return Fits(*holders_of_port(self._port, self._root))


class ByExe:
    """Path of the executable, or its file name alone. We and those that started us do not count."""

    def __init__(self, exe: str, root: str) -> None:
        self.words = f"executable {exe}"
        self._wanted = {exe, os.path.realpath(exe)} if "/" in exe else {exe}
        self._whole = "/" in exe
        self._root = root

    def look(self) -> Fits:
        """The processes that run it; where the link to the executable is not readable, by the command line."""
        found, guessed = [], 0
        for process in _others(self._root):
            try:
                running = process.link("exe", "executable").removesuffix(_DELETED)
            except NotRunning:
                continue
            except Unreadable:
                running = _command(process).partition("\0")[0]
                guessed += self._fits(running)
            if self._fits(running):
                found.append(process.pid)
        if not found:
            return _none(f"no process runs {self.words.partition(' ')[2]}", self._root)
        doubt = "known only by its command line, its executable is not readable" if guessed else ""
        return Fits(tuple(found), doubt=doubt)

    def _fits(self, running: str) -> bool:
        return (running if self._whole else running.rpartition("/")[2]) in self._wanted


class ByCommand:
    """A shell-style pattern for the whole command line (words joined by blanks). We and our ancestors do not count.

    No regular expression: every process of the machine is held against it, and a stranger's command line must not be
    able to make that slow.
    """

    def __init__(self, pattern: str, root: str) -> None:
        self.words = f"command matching {pattern!r}"
        self._root = root
        self._pattern = re.compile(fnmatch.translate(pattern))
        self._hint = "" if "*" in pattern else f"; the pattern is for the whole line: '*{pattern}*' fits a part of it"

    def look(self) -> Fits:
        """The processes whose command line matches; kernel threads have none."""
        found = []
        for process in _others(self._root):
            command = _command(process).rstrip("\0").replace("\0", " ")
            if command and self._pattern.match(command):
                found.append(process.pid)
        return Fits(tuple(found)) if found else _none(f"no command line matches{self._hint}", self._root)


class ByCgroup:
    """A systemd unit or a container, known by the control group; its main process is the one started from outside."""

    def __init__(self, words: str, *, unit: str = "", container: str = "", root: str) -> None:
        self.words = words
        self._unit = unit
        self._container = container
        self._root = root

    def look(self) -> Fits:
        """The members whose parent is no member."""
        members: dict[int, int] = {}
        for pid in pids(self._root):
            try:
                process = PidDir(pid, self._root)
                if self._member(group_lines(process.read("cgroup", "cgroup").decode("utf-8", "replace"))):
                    members[pid] = process.stat().parent
            except (NotRunning, Unreadable):
                continue
        if not members:
            return _none(f"no process that can be seen here belongs to {self.words}", self._root)
        return Fits(tuple(pid for pid, parent in members.items() if parent not in members))

    def _member(self, lines: list[GroupLine]) -> bool:
        return in_unit(lines, self._unit) if self._unit else in_container(lines, self._container)


class Nowhere:
    """Settings without any way to find a process."""

    words = "nothing"

    def look(self) -> Fits:
        """None fits; says which settings would help."""
        return Fits(
            reason="the settings do not say how to find the process: set one of pid, pid_file, port, exe, command,"
            " systemd or container of this target"
        )


def way_of(settings: TargetSettings, root: str = PROC) -> Way:
    """The way that the settings name.

    Raises:
        SettingsError: the value cannot be used; the message names the key.
    """
    makers: tuple[tuple[Any, Callable[[Any], Way]], ...] = (
        (settings.pid, lambda pid: ByPid(pid, root)),
        (settings.pid_file, ByPidFile),
        (settings.port, lambda port: ByPort(port, root)),
        (settings.exe, lambda exe: ByExe(exe, root)),
        (settings.command, lambda pattern: ByCommand(pattern, root)),
        (settings.systemd, lambda unit: _by_unit(unit, root)),
        (settings.container, lambda container: _by_container(container, root)),
    )
    return next((make(value) for value, make in makers if value), Nowhere())


def _by_unit(name: str, root: str) -> Way:
    unit = unit_name(name)
    return ByCgroup(f"systemd unit {unit}", unit=unit, root=root)


def _by_container(container: str, root: str) -> Way:
    prefix = container.rpartition("//")[2].lower()  # Kubernetes writes containerd://<id>
    if len(prefix) < _ID_LEAST or not re.fullmatch("[0-9a-f]{12,64}", prefix):
        raise SettingsError(
            f"targets.container: {container!r} is no container id: give at least {_ID_LEAST} of its hexadecimal digits"
        )
    return ByCgroup(f"container {prefix[:_ID_LEAST]}", container=prefix, root=root)


def _none(reason: str, root: str) -> Fits:
    """Nothing fits of what can be seen; process 1 always exists, so that its absence shows how much is hidden."""
    try:
        PidDir(1, root)
    except Unreadable as refusal:
        return Fits(reason=f"{reason}; {refusal}", hidden=True)
    except NotRunning:
        pass  # a recorded tree
    return Fits(reason=reason)


def _command(process: PidDir) -> str:
    try:
        return process.read("cmdline", "command line").decode("utf-8", "replace")
    except (NotRunning, Unreadable):
        return ""


def _others(root: str) -> list[PidDir]:
    ours = _own_line(root)
    found = []
    for pid in pids(root):
        if pid not in ours:
            try:
                found.append(PidDir(pid, root))
            except (NotRunning, Unreadable):
                continue
    return found


def _own_line(root: str) -> set[int]:
    """We and our ancestors: their command lines may well hold the pattern that we were given."""
    line, pid = set(), os.getpid() if root == PROC else 0
    while pid > 1 and pid not in line:
        line.add(pid)
        try:
            pid = PidDir(pid, root).stat().parent
        except (NotRunning, Unreadable):
            break
    return line
