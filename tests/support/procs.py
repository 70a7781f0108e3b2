"""What tests ask the kernel about processes that they started."""

import os
import signal
import time
from pathlib import Path
from typing import Final

__all__ = ["alive", "freeze", "thaw"]

_FREEZE_S: Final = 5.0
_PAUSE_S: Final = 0.005


def freeze(pid: int) -> None:
    """Stop a process (SIGSTOP) and wait until each of its threads stands still: the signal takes a moment.

    Raises:
        TimeoutError: it still ran after some seconds.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _FREEZE_S
    while _thread_states(pid) - {"T", "t"}:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} did not stop within {_FREEZE_S:g} s")
        time.sleep(_PAUSE_S)


def thaw(pid: int) -> None:
    """Let a frozen process run on (SIGCONT)."""
    os.kill(pid, signal.SIGCONT)


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return _state(Path("/proc", str(pid), "stat")) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _thread_states(pid: int) -> set[str]:
    states = set()
    for task in Path("/proc", str(pid), "task").iterdir():
        try:
            states.add(_state(task / "stat"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread ended between listing and reading
    return states


def _state(stat: Path) -> str:
    # The command name stands in brackets and may hold blanks and brackets itself: the state follows the last one.
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][0]
