"""Starts the three children, each in a process group of its own, with the descriptors that are meant for it."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["NOT_EXECUTABLE", "NOT_FOUND", "start", "start_ours", "start_ticks"]

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
_PYTHON_IGNORES: Final = (signal.SIGPIPE, signal.SIGXFSZ)


def start(command: Sequence[str], streams: Mapping[int, int]) -> int:
    """Start a program with these standard streams (ours by theirs), our environment, and the signals of a fresh shell.

    Raises:
        OSError: it is not there, or cannot be executed.
    """
    moves = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in streams.items()]
    return os.posix_spawnp(
        command[0], list(command), os.environ, file_actions=moves, setpgroup=0, setsigdef=_PYTHON_IGNORES
    )


def start_ours(module: str, arguments: Sequence[str], handed_on: Sequence[int], streams: Mapping[int, int]) -> int:
    """Start one of our programs, with these descriptors (under their own numbers) and standard streams."""
    command = [sys.executable, "-P", "-m", module, *arguments]
    moves = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in streams.items()]
    for descriptor in handed_on:
        os.set_inheritable(descriptor, True)
    try:
        return os.posix_spawn(sys.executable, command, os.environ, file_actions=moves, setpgroup=0)
    finally:
        for descriptor in handed_on:
            os.set_inheritable(descriptor, False)


def start_ticks(pid: int) -> int:
    """When the kernel started a process, in ticks since the boot: with its number it names it for good; 0: gone."""
    try:
        return int(Path("/proc", str(pid), "stat").read_bytes().rpartition(b") ")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0
