"""Real Python processes to watch: started with a script, ended with the test."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

__all__ = ["Child", "marked_sleeper", "until"]

_WAIT_S: Final = 20.0
T = TypeVar("T")


def marked_sleeper() -> tuple[str, str]:
    """A script that does nothing, and the mark in its command line by which it is found, and nobody of another test."""
    mark = f"neighbour-{uuid4().hex}"
    return f"import time; print('ready', flush=True); time.sleep(120)  # {mark}", mark


class Child:
    """A Python process; as a context manager it is ended and collected.

    Args:
        script: what it runs; it should print a line once it is ready, which is awaited.
        arguments: further words of its command line, to be found by.
        options: for `subprocess.Popen` (``user``, ``preexec_fn`` …).
    """

    def __init__(self, script: str, *arguments: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()
        assert self.said, "the child ended before it was ready"
        return self

    def kill(self) -> None:
        """End it and collect it."""
        self.process.kill()
        self.process.wait(_WAIT_S)

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def until(look: Callable[[], T], good: Callable[[T], bool] = bool, within_s: float = _WAIT_S) -> T:
    """Look until it is good; the last look is returned, good or not, so that the test can say what is wrong."""
    deadline = time.monotonic() + within_s
    seen = look()
    while not good(seen) and time.monotonic() < deadline:
        time.sleep(0.05)
        seen = look()
    return seen
