"""The output of the service: its pipes, the pump that reads them, and us in its place while it is frozen or dead."""

import array
import contextlib
import fcntl
import os
import selectors
import signal
import termios
import time
from collections.abc import Callable
from typing import Final

from diagmesh_agents._launcher.area import STREAMS, Area
from diagmesh_agents._launcher.children import start_ours
from diagmesh_agents._launcher.memory import Memory
from diagmesh_agents._launcher.pump import AT_MOST_S, STILL_S, Reader

__all__ = ["Output"]

_PIPE_BYTES: Final = 1024 * 1024
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
_SETTLED_S: Final = 2.0
_HELPED_S: Final = 0.3
_QUIET_S: Final = 0.3
_LOOK_S: Final = 0.01
_HANGS_S: Final = 1.0


class Output:
    """Keeps the output flowing, whatever becomes of the pump.

    Args:
        memory: where the copy goes.
        descriptor: of the memory, for the pump.
        waiting: where our own reading is registered.
        say: tells the user.
    """

    def __init__(
        self, memory: Memory, descriptor: int, waiting: selectors.BaseSelector, say: Callable[[str], None]
    ) -> None:
        self._memory, self._descriptor, self._waiting, self._say = memory, descriptor, waiting, say
        ends = [os.pipe2(os.O_CLOEXEC) for _ in STREAMS]
        self._read_ends = (ends[0][0], ends[1][0])
        self.write_ends = {stream: end[1] for stream, end in zip(STREAMS, ends, strict=True)}
        for pipe in self._read_ends:
            os.set_blocking(pipe, False)
            with contextlib.suppress(OSError):  # an unprivileged user may have used up his share
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._reader = Reader(self._read_ends, memory.of_launcher, patient=False)
        self.pid = 0
        self._stopped = False
        self._had_read = self._lay = 0
        self._look_due = time.monotonic() + _HANGS_S
        self._pause_s = _FIRST_PAUSE_S
        self.due: float | None = None

    @property
    def areas(self) -> tuple[Area, Area]:
        """Both copies: that of the pump and ours."""
        return self._memory.of_pump, self._memory.of_launcher

    def totals(self) -> tuple[int, int]:
        """Bytes read, and bytes that could not be passed on, since the beginning."""
        return tuple(map(sum, zip(*(area.totals() for area in self.areas), strict=True)))  # type: ignore[return-value]  # two

    def start(self) -> None:
        """Start a pump; until there is one, we read."""
        self.due = None
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123  a descriptor is needed
            try:
                self.pid = start_ours(
                    "diagmesh_agents._launcher.pump",
                    [str(self._descriptor), *map(str, self._read_ends)],
                    (self._descriptor, *self._read_ends),
                    {0: nothing.fileno()},
                )
            except OSError as error:
                self._say(f"the pump cannot be started: {error.strerror}; the launcher reads the output itself")
                self._again()
                return
        self._stopped = False
        self._read_ourselves(on=False)

    def changed(self, status: int) -> None:
        """The pump was stopped, continued or ended (as waitpid says it)."""
        if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
            self._stopped = os.WIFSTOPPED(status)
            self._read_ourselves(on=self._stopped)
            return
        for stream in STREAMS:  # what it had read and not passed on went with it
            self._memory.of_pump.unpassed(stream, max(0, self._memory.of_pump.pending(stream)))
        self.pid, self._stopped = 0, False
        self._again()

    def ready(self, pipe: int) -> None:
        """Read in place of the pump."""
        if self._reader.read(pipe) is None:
            self._waiting.unregister(pipe)

    def look(self) -> None:
        """Read ourselves what a pump leaves lying that hangs unknown to us (traced, say); at most once a second.

        Both may read at once: nothing is lost or told twice.
        """
        if time.monotonic() < self._look_due:
            return
        self._look_due = time.monotonic() + _HANGS_S
        read, lying = self._memory.of_pump.totals()[0], self._in_pipes()
        if self._pumped:
            self._read_ourselves(on=bool(lying and self._lay and read == self._had_read))
        self._had_read, self._lay = read, lying

    def settle(self) -> None:
        """Wait until what is in the pipes has been read; bounded, others may go on writing for ever."""
        deadline = time.monotonic() + _SETTLED_S
        read = self._memory.of_pump.totals()[0]
        while time.monotonic() < deadline:
            if not self._pumped:
                self._read_on(deadline)
                return
            if not self._in_pipes():
                time.sleep(_LOOK_S)  # the pump may hold a chunk that it has read and not kept yet
                if not self._in_pipes():
                    return
            time.sleep(_LOOK_S)
        if self._memory.of_pump.totals()[0] == read:
            # It hangs, or has not begun yet: how the service ended must not be judged without its last words.
            self._read_on(time.monotonic() + _HELPED_S)

    def leave(self, hurried: Callable[[], bool]) -> None:
        """Pass on what is left, then let go. A descendant that keeps the pipes open keeps the pump, but not us.

        Args:
            hurried: looked at again and again: what became of our children, and whether we must not wait any longer.
        """
        for end in self.write_ends.values():
            os.close(end)
        if self.pid and self._stopped:
            os.kill(self.pid, signal.SIGCONT)  # it holds output, and we are about to leave it alone
        started = moved = time.monotonic()
        left = self._left()
        while not hurried():
            now = time.monotonic()
            if not self._pumped:
                self.settle()
                self._reader.flush()
                return
            if self._left() != left:
                left, moved = self._left(), now
            if now - moved > (_QUIET_S if left == 0 else STILL_S + _QUIET_S) or now - started > AT_MOST_S:
                return
            time.sleep(_LOOK_S)

    @property
    def _pumped(self) -> bool:
        return bool(self.pid) and not self._stopped

    def _read_on(self, deadline: float) -> None:
        for pipe in self._read_ends:
            while self._reader.read(pipe) and time.monotonic() < deadline:
                pass

    def _again(self) -> None:
        self._read_ourselves(on=True)
        self.due = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _read_ourselves(self, *, on: bool) -> None:
        known = self._waiting.get_map()
        for pipe in self._read_ends:
            if on and pipe not in known:
                self._waiting.register(pipe, selectors.EVENT_READ, self.ready)
            elif not on and pipe in known:
                self._waiting.unregister(pipe)

    def _left(self) -> int:
        return self._in_pipes() + sum(area.pending(stream) for area in self.areas for stream in STREAMS)

    def _in_pipes(self) -> int:
        size = array.array("i", [0])
        total = 0
        for pipe in self._read_ends:
            fcntl.ioctl(pipe, termios.FIONREAD, size)
            total += size[0]
        return total
