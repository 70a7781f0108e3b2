"""Real processes that a test starts: each with a log, a bounded end, and nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.procs import freeze, thaw

__all__ = ["Program", "wait_until"]

_STOP_S: Final = 10.0
_PAUSE_S: Final = 0.05


def wait_until(holds: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Look again and again until ``holds``.

    Raises:
        TimeoutError: ``what`` did not come about in time.
    """
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(_PAUSE_S)


class Program:
    """One started process. Use it as a context manager, or call `close`.

    Args:
        command: program and arguments; ``python`` as first word means this interpreter.
        log: file for its standard output and error, or a folder for one.
        environment: laid over ours, from which everything named ``DIAGMESH_…`` is taken out.
    """

    def __init__(self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> None:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("DIAGMESH_")}
        program = sys.executable if command[0] == "python" else command[0]
        self._log = log / f"{Path(program).name}-{os.urandom(3).hex()}.log" if log.is_dir() else log
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**clean, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it lives (frozen counts as alive)."""
        return self._process.poll() is None

    def log_text(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it, and to it only."""
        self._process.send_signal(number)

    async def ended(self, within_s: float = _STOP_S) -> int:
        """Its exit status, once it has ended by itself."""
        return await asyncio.to_thread(self._process.wait, within_s)

    def freeze(self) -> None:
        """Let it hang (SIGSTOP), and wait until it does."""
        freeze(self.pid)

    def thaw(self) -> None:
        """Let it run on."""
        thaw(self.pid)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._process.kill()
        self._process.wait(_STOP_S)

    def stop(self) -> int:
        """End it in good order (SIGTERM), with force if it does not go in time; returns its exit status."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)  # a frozen process hears SIGTERM only when it runs on
        try:
            return self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(_STOP_S)

    close = stop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
