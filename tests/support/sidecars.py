"""Real sidecars, coordinators and watched processes as subprocesses, each ended by pid with its test."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["Program", "coordinator", "sidecar", "sleeper"]

_END_S: Final = 15.0


class Program:
    """One child process with its standard error in a file.

    Args:
        arguments: program and arguments.
        directory: where its output goes.
        environment: variables on top of ours (never our ``DIAGMESH_`` ones).
    """

    def __init__(self, arguments: list[str], directory: Path, environment: dict[str, str] | None = None) -> None:
        self._log = directory / f"{Path(arguments[-1]).name[:20]}-{os.urandom(3).hex()}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIAGMESH_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=inherited | (environment or {})
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def log_text(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it, and to it only."""
        self._process.send_signal(number)

    async def ended(self, within_s: float = _END_S) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.to_thread(self._process.wait, within_s)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        self._process.wait(_END_S)

    def __enter__(self) -> Self:
        """The program, ended at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.close()


def sleeper(directory: Path) -> Program:
    """A Python process that does nothing, to stand beside."""
    return Program([sys.executable, "-c", "import time; time.sleep(3600)"], directory)


def sidecar(directory: Path, url: str, service: str, instance: str, *flags: str) -> Program:
    """A sidecar with a quick heartbeat."""
    who = ["--service", service, "--instance", instance, "--heartbeat", "0.5"]
    return Program([sys.executable, "-m", "diagmesh_agents", "--nats", url, *who, *flags], directory)


def coordinator(directory: Path, url: str, instance: str, *flags: str) -> Program:
    """A coordinator."""
    return Program(
        [sys.executable, "-m", "diagmesh_coordinator", "--nats", url, "--instance", instance, *flags], directory
    )
