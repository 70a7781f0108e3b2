"""Run something again and again, killed (SIGKILL) before its 1st, 2nd, 3rd … step that changes a file, until it ends.

A program of its own, because it forks: ``python -m support.interrupted DIRECTORY ROLE`` rotates the key of a role in a
copy of the directory per kill, beside it (``DIRECTORY-1``, …), and prints how many kills there were.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from diagmesh_cli.local import initial

__all__ = ["copies"]

_CHANGES: Final = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"})
_MOST: Final = 1000


def copies(directory: Path, kills: int) -> list[Path]:
    """The directories in which it was killed."""
    return [_copy_of(directory, number) for number in range(1, kills + 1)]


def _copy_of(directory: Path, number: int) -> Path:
    return directory.parent / str(number) / directory.name


def _changes_a_file(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in _CHANGES


def _killed_at(step: int, work: Callable[[], object]) -> bool:
    """Whether the child was killed at that step (else it came to its end)."""
    child = os.fork()
    if child == 0:
        left = step

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if os.getpid() == mine and _changes_a_file(event, arguments):
                left -= 1
                if not left:
                    os.kill(mine, signal.SIGKILL)

        mine = os.getpid()
        sys.addaudithook(hook)
        try:
            work()
        except BaseException:  # noqa: BLE001  the child of a fork ends here, whatever it meets
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"it failed by itself at step {step}")
    return False


def _main(directory: Path, role: str) -> int:
    for step in range(1, _MOST):
        copy = _copy_of(directory, step)
        shutil.copytree(directory, copy)
        if not _killed_at(step, lambda copy=copy: initial.rotate(copy, role)):  # type: ignore[misc]
            return step - 1
    raise RuntimeError("it never ends")


if __name__ == "__main__":
    print(_main(Path(sys.argv[1]), sys.argv[2]))  # noqa: T201  what the test reads
