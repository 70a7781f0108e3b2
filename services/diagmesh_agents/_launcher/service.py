"""The service as a child of the launcher: its identity, what asked it to end, and how it ended."""

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from diagmesh_agents._launcher import oom
from diagmesh_agents._launcher.children import start, start_ticks
from diagmesh_agents._launcher.endings import code_of, ending
from diagmesh_agents._launcher.output import Output
from diagmesh_agents._launcher.words import last_words

__all__ = ["Service", "moment", "oom_before"]

_ASKING: Final = ("SIGTERM", "SIGINT", "SIGQUIT")
_ASKED_S: Final = 600.0
"""Whoever is asked to end and runs on for so long has not obeyed: what ends it later is something else."""
_LOOKS: Final = 3
"""Looks at the kills for memory that are kept: the last one may come after the kill, while the memory is given back."""
_FIRST_LOOK_S: Final = 0.05
_LOOK_EVERY_S: Final = 1.0


def moment(at_s: float | None = None) -> str:
    """A time of the wall clock as it stands on the wire."""
    at_s = time.time() if at_s is None else at_s
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_s))}.{int(at_s * 1000) % 1000:03d}Z"


class Service:
    """One run of the service.

    Args:
        command: program and arguments.
        streams: the write ends of its pipes.
        output: whose totals count from here on.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: list[str], streams: Mapping[int, int], output: Output) -> None:
        self._output = output
        self._before = output.totals()
        self._since_ns = time.monotonic_ns()
        self.started_at = moment()
        self.pid = start(command, streams)
        self.ticks = start_ticks(self.pid)
        self._asked, self._asked_at = "", 0.0
        self._looks = deque([oom.read(self.pid)], maxlen=_LOOKS)

    @property
    def ran_s(self) -> float:
        """Seconds since it was started."""
        return (time.monotonic_ns() - self._since_ns) / 1e9

    @property
    def asked(self) -> str:
        """The signal that was passed on to end it, not long ago; empty for none."""
        return self._asked if time.monotonic() - self._asked_at < _ASKED_S else ""

    def look(self) -> None:
        """Count the kills for memory, so that one more at its end is seen as such."""
        self._looks.append(oom.read(self.pid))

    @property
    def look_in_s(self) -> float:
        """When to count again: at first soon, for it may move to a control group of its own; then every second."""
        return min(_LOOK_EVERY_S, max(_FIRST_LOOK_S, self.ran_s))

    def forward(self, number: int) -> None:
        """Pass a signal on."""
        name = signal.Signals(number).name
        if name in _ASKING or (name == "SIGHUP" and not _handled(self.pid, number)):
            self._asked, self._asked_at = name, time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self, status: int, restarts: int) -> dict[str, Any]:
        """All that is known of its end, named as in `LastExit`; its output was read before."""
        words = last_words(self._output.areas, self._since_ns)
        read, unpassed = self._output.totals()
        before = oom_before(self._looks)
        return {
            **ending(status, words, before, oom.again(before), self.asked),
            "at": moment(),
            "last_seen": moment(),
            "pid": self.pid,
            "uptime_s": round(self.ran_s, 3),
            "last_words": words.text,
            "dropped_bytes": max(0, read - self._before[0] - words.kept_bytes),
            "unpassed_bytes": unpassed - self._before[1],
            "restarts": restarts,
        }

    def went_well(self, status: int) -> bool:
        """Whether it ended because it was asked to, and as one does then."""
        if not self.asked:
            return False
        number = signal.Signals[self.asked].value
        return code_of(status) in (0, 128 + number)


def oom_before(looks: Sequence[oom.OomCount]) -> oom.OomCount:
    """The oldest of these counts of the control group in which it was seen last."""
    group = next((one.group for one in reversed(looks) if one.group), "")
    return next(one for one in looks if one.group == group)


def _handled(pid: int, number: int) -> bool:
    """Whether the process lives on after this signal: it catches it (to read its settings again, say) or ignores it."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc", str(pid), "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(("SigIgn:", "SigCgt:")) and int(line.split()[1], 16) >> (number - 1) & 1:
                return True
    return False
