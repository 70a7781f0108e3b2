"""Reads ``/proc/<pid>/stat``: state, CPU time, threads, resident size, start (proc_pid_stat(5))."""

import os
from typing import Final, NamedTuple

from diagmesh.contract.answers.resources import ProcessState

__all__ = ["PAGE_BYTES", "TICK_S", "Stat", "parse_stat", "parse_state"]

TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

_STATES: Final[dict[bytes, ProcessState]] = {
    b"R": ProcessState.RUNNING,
    b"S": ProcessState.SLEEPING,
    b"D": ProcessState.BLOCKED,
    b"T": ProcessState.STOPPED,
    b"t": ProcessState.TRACED,
    b"Z": ProcessState.ZOMBIE,
    b"X": ProcessState.DEAD,
    b"x": ProcessState.DEAD,
    b"I": ProcessState.IDLE,
    b"P": ProcessState.PARKED,
}


class Stat(NamedTuple):
    """What ``/proc/<pid>/stat`` tells, in seconds and bytes; ``start_ticks`` since the boot is half of the identity."""

    name: str
    state: ProcessState
    parent: int
    user_s: float
    system_s: float
    threads: int
    start_ticks: int
    rss_bytes: int


def parse_stat(data: bytes) -> Stat:
    """Read one line of ``/proc/<pid>/stat``; the name in brackets may itself hold blanks and brackets.

    Raises:
        ValueError: not such a line.
    """
    opening, closing = data.find(b"("), data.rfind(b")")
    fields = data[closing + 2 :].split()
    if opening < 0 or closing < opening or len(fields) < 22:
        raise ValueError("no process statistics")
    return Stat(
        name=data[opening + 1 : closing].decode("utf-8", "replace"),
        state=_STATES.get(fields[0], ProcessState.UNKNOWN),
        parent=int(fields[1]),
        user_s=int(fields[11]) * TICK_S,
        system_s=int(fields[12]) * TICK_S,
        threads=int(fields[17]),
        start_ticks=int(fields[19]),
        rss_bytes=int(fields[21]) * PAGE_BYTES,
    )


def parse_state(data: bytes) -> ProcessState:
    """What the process does, from the same line: a third of the cost of reading all of it.

    Raises:
        ValueError: not such a line.
    """
    closing = data.rfind(b") ")
    if closing < 0:
        raise ValueError("no process statistics")
    return _STATES.get(data[closing + 2 : closing + 3], ProcessState.UNKNOWN)
