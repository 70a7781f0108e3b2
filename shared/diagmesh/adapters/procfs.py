"""One process's files in /proc, bound to that very process; a refusal says who may not see what, and the way out."""

import errno
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from diagmesh.adapters.kept import KeptFiles, read_once
from diagmesh.adapters.procstat import TICK_S, Stat, parse_stat, parse_state
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.errors import NotRunning, Unreadable

__all__ = ["PROC", "NotThere", "PidDir", "pids", "read_text"]

T = TypeVar("T")

PROC: Final = "/proc"
_CHUNK_BYTES: Final = 64 * 1024
_FILE_LIMIT_BYTES: Final = 64 * 1024 * 1024
_SAME_USER: Final = (
    "run the sidecar as the same user as the service, or give it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
    " (in a pod: a shared process namespace as well)"
)
_HIDDEN: Final = (
    "mount /proc without hidepid for the sidecar (its gid= option), or run it as the same user as the service"
)


def _counts_descriptors(release: str) -> bool:
    # Since Linux 6.2 the size of /proc/<pid>/fd is the number of descriptors, which costs microseconds and no rights.
    version = re.match(r"(\d+)\.(\d+)", release)
    return version is not None and (int(version[1]), int(version[2])) >= (6, 2)


_FD_SIZE_COUNTS: Final = _counts_descriptors(platform.release())


class NotThere(Unreadable):
    """A file that is absent beside a living process: the kernel lacks it, or what it stood for is gone meanwhile."""


class PidDir:
    """The directory of one process.

    It is held open, so that a reused process id can never answer in place of the one that was meant: reads after
    its end fail. Files are opened relative to it. The descriptors go with the last reference.

    Args:
        pid: its process id.
        root: where /proc is.

    Raises:
        NotRunning: there is no such process (any more).
        Unreadable: there is one, but /proc hides it.
    """

    __slots__ = ("_dir", "_kept", "_stat", "pid", "root")

    def __init__(self, pid: int, root: str = PROC) -> None:
        self.pid = pid
        self.root = root
        self._dir = self._stat = -1
        try:
            self._dir = os.open(f"{root}/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._stat = os.open("stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._dir)
        except OSError as error:
            raise self._absent(error) from None
        self._kept = KeptFiles(self._dir)

    def __del__(self) -> None:
        for descriptor in (self._stat, self._dir):
            if descriptor >= 0:
                os.close(descriptor)

    def stat(self) -> Stat:
        """State, CPU time, threads, resident size, start: one read of a kept descriptor."""
        return self._told(parse_stat)

    def _told(self, parse: Callable[[bytes], T]) -> T:
        try:
            return parse(os.pread(self._stat, 2048, 0))
        except OSError as error:
            raise self.refusal(error, "process state") from None
        except ValueError:
            raise NotRunning(f"process {self.pid} has ended") from None

    def living_stat(self) -> Stat:
        """The same of a process that runs; raises `NotRunning` for a zombie, whose numbers would all be zero."""
        stat = self.stat()
        if not stat.state.alive:
            raise NotRunning(
                f"process {self.pid} has ended and is a {stat.state}:"
                f" its parent, process {stat.parent}, has not collected it"
            )
        return stat

    def living_state(self) -> ProcessState:
        """What it does; raises like `living_stat`, at half its cost."""
        state = self._told(parse_state)
        return state if state.alive else self.living_stat().state

    def read(self, name: str, what: str) -> bytes:
        """The content of one of its files.

        Raises:
            Unreadable: the system refuses, with the way to change that; ``what`` names it in the answer.
            NotRunning: the process ended.
        """
        return b"".join(self.chunks(name, what))

    def read_small(self, name: str, what: str) -> bytes:
        """The content of a file that the kernel makes anew, and whole, for each read; raises like `read`.

        That are those that proc_pid_*(5) show with a fixed set of lines: half the cost of looking for an end.
        """
        try:
            return read_once(name, self._dir)
        except OSError as error:
            raise self.refusal(error, what) from None

    def read_again(self, name: str, what: str) -> bytes:
        """The same of a file that is read with every look: it is kept open."""
        try:
            return self._kept.read(name)
        except OSError as error:
            raise self.refusal(error, what) from None

    def chunks(self, name: str, what: str) -> Iterator[bytes]:
        """The content of one of its files, piece by piece, with a bound; raises like `read`."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._dir)
        except OSError as error:
            raise self.refusal(error, what) from None
        try:
            total = 0
            while piece := self._piece(descriptor, what):
                total += len(piece)
                if total > _FILE_LIMIT_BYTES:
                    raise Unreadable(what, f"/proc/{self.pid}/{name} is larger than {_FILE_LIMIT_BYTES} bytes")
                yield piece
        finally:
            os.close(descriptor)

    def opened(self, name: str, what: str, look: Callable[[int], T]) -> T:
        """What ``look`` sees in one of its files, by a descriptor that is open meanwhile; raises like `read`."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._dir)
        except OSError as error:
            raise self.refusal(error, what) from None
        try:
            return look(descriptor)
        except OSError as error:
            raise self.refusal(error, what) from None
        finally:
            os.close(descriptor)

    def _piece(self, descriptor: int, what: str) -> bytes:
        try:
            return os.read(descriptor, _CHUNK_BYTES)
        except OSError as error:
            raise self.refusal(error, what) from None

    def link(self, name: str, what: str) -> str:
        """Where one of its links points; raises like `read`."""
        try:
            return os.readlink(name, dir_fd=self._dir)
        except OSError as error:
            raise self.refusal(error, what) from None

    def names(self, name: str, what: str) -> list[str]:
        """What one of its directories holds; raises like `read`."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._dir)
        except OSError as error:
            raise self.refusal(error, what) from None
        try:
            with os.scandir(descriptor) as entries:
                return [entry.name for entry in entries]
        except OSError as error:
            raise self.refusal(error, what) from None
        finally:
            os.close(descriptor)

    def uid(self) -> int:
        """As which user it runs; 0 also where it holds more rights than that and hides; raises like `read`."""
        try:
            return os.fstat(self._dir).st_uid
        except OSError as error:
            raise self.refusal(error, "user") from None

    def descriptors(self) -> int:
        """How many file descriptors it holds; raises like `read`."""
        if _FD_SIZE_COUNTS and self.root == PROC:
            try:
                count = os.stat("fd", dir_fd=self._dir).st_size
            except OSError as error:
                raise self.refusal(error, "descriptors") from None
            if count > 0:
                return count
        return len(self.names("fd", "descriptors"))

    def started_at(self, stat: Stat) -> datetime:
        """When it was started, from the clock that the kernel keeps since the boot."""
        up_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        return datetime.fromtimestamp(time.time() - up_s + stat.start_ticks * TICK_S, UTC)

    def uptime_s(self, stat: Stat) -> float:
        """How long it has run."""
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - stat.start_ticks * TICK_S)

    def path(self, name: str) -> str:
        """A path through its directory, for calls that take no directory descriptor."""
        return f"/proc/self/fd/{self._dir}/{name}"

    def refusal(self, error: OSError, what: str) -> Exception:
        """What an error of the system means: gone, or there but not for us to see."""
        if error.errno == errno.ESRCH or (error.errno == errno.ENOENT and not self._answers()):
            return NotRunning(f"process {self.pid} has ended")
        if error.errno in {errno.EACCES, errno.EPERM}:
            return Unreadable(what, self._who(), _SAME_USER)
        if error.errno == errno.ENOENT:
            return NotThere(what, "this kernel does not offer it")
        return Unreadable(what, error.strerror or str(error))

    def _answers(self) -> bool:
        try:
            return bool(os.pread(self._stat, 64, 0))
        except OSError:
            return False

    def _who(self) -> str:
        ours = os.geteuid()
        try:
            theirs = os.fstat(self._dir).st_uid
        except OSError:
            return "permission denied"
        if theirs == ours:
            return "permission denied: the process changed its user or holds capabilities that the sidecar lacks"
        return f"permission denied: the process runs as uid {theirs}, the sidecar as uid {ours}"

    def _absent(self, error: OSError) -> Exception:
        if error.errno in {errno.EACCES, errno.EPERM} or (self.root == PROC and _exists(self.pid)):
            return Unreadable(
                "process", f"process {self.pid} exists, but /proc hides it from uid {os.geteuid()}", _HIDDEN
            )
        return NotRunning(f"there is no process {self.pid}")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def pids(root: str = PROC) -> list[int]:
    """All process ids that can be seen, in order."""
    with os.scandir(root) as entries:
        return sorted(int(entry.name) for entry in entries if entry.name.isdigit())


def read_text(path: str) -> str:
    """A small text file of the kernel; raises OSError."""
    return Path(path).read_text(encoding="utf-8", errors="replace")
