"""The sidecar as a child of the launcher: started again when it dies, and never waited for by the service."""

import contextlib
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from diagmesh_agents._launcher.children import start_ours

__all__ = ["Sidecar"]

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_LOG_BYTES: Final = 1024 * 1024
_USAGE: Final = 64
_APPENDING: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Sidecar:
    """The process that answers for the service.

    Args:
        arguments: its command line.
        handed_on: descriptors for it: the shared memory, and what wakes it.
        log: where its own log goes, so that it never stands in the output of the service.
        say: tells the user.
    """

    def __init__(
        self, arguments: list[str], handed_on: tuple[int, int], log: Path | None, say: Callable[[str], None]
    ) -> None:
        self._arguments = arguments
        self._handed_on, self._log, self._say = handed_on, log, say
        self.pid = 0
        self.stopped = False
        self.due: float | None = None
        self._pause_s = _FIRST_PAUSE_S
        self.started_at = 0.0

    @property
    def running(self) -> bool:
        """Whether it is there and not frozen."""
        return bool(self.pid) and not self.stopped

    def start(self) -> None:
        """Start it, if it is not there."""
        self.due = None
        if self.pid:
            return
        log = self._open_log()
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.started_at = time.monotonic()  # whatever it says of itself is later
        try:
            self.pid = start_ours("diagmesh_agents", self._arguments, self._handed_on, {0: nothing, 1: log, 2: log})
        except OSError as error:
            self._say(f"the sidecar cannot be started: {error.strerror}")
            self._again()
        finally:
            os.close(log)
            os.close(nothing)

    def changed(self, status: int, *, wanted: bool) -> None:
        """It was stopped, continued or ended (as waitpid says it); ``wanted``: it should be there."""
        self.stopped = os.WIFSTOPPED(status)
        if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
            return
        self.pid = 0
        if not wanted:
            return
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _USAGE:
            where = f", see {self._log}" if self._log else ""
            self._say(f"the sidecar refuses its settings and is not started again{where}; the service goes on")
            return
        if time.monotonic() - self.started_at > _LONGEST_PAUSE_S:
            self._pause_s = _FIRST_PAUSE_S
        self._again()

    def end(self, *, force: bool = False) -> None:
        """Ask it to leave; one that is frozen hears nothing and is ended."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL if force or self.stopped else signal.SIGTERM)

    def _again(self) -> None:
        self.due = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _open_log(self) -> int:
        if self._log is not None:
            with contextlib.suppress(OSError):
                if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
                    self._log.replace(self._log.with_suffix(".log.1"))
                # What somebody put in its place is neither followed nor waited for.
                log = os.open(self._log, _APPENDING | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
                if stat.S_ISREG(os.fstat(log).st_mode):
                    return log
                os.close(log)
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
