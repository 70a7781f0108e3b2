"""How much of the machine was used by others meanwhile: numbers of a busy machine are worth less."""

import os
import resource
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.lab import cpu_s

__all__ = ["Foreign"]


class Foreign:
    """Watches what is no part of the bench; as a context manager around what is, which leaves no process behind.

    Args:
        server: process id of the server, which is a part and goes on.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self.took_s = 0.0
        self.share = 0.0

    def __enter__(self) -> Self:
        self._began, self._busy_s, self._own_s = time.monotonic(), _busy_s(), self._own()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.took_s = time.monotonic() - self._began
        foreign_s = (_busy_s() - self._busy_s) - (self._own() - self._own_s)
        self.share = max(0.0, foreign_s / (self.took_s * (os.cpu_count() or 1)))

    def _own(self) -> float:
        ours = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in ours) + cpu_s(self._server)


def _busy_s() -> float:
    """CPU time of everything on this machine, what a hypervisor took away (steal) counted too."""
    fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
