"""The processes that `diagmesh up` starts: each with a log, a name, and a bound end."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from diagmesh.errors import DiagmeshError
from diagmesh_cli.local import keeper

__all__ = ["Child", "Family", "how_it_ended"]

_TAIL_BYTES: Final = 4096
_LOG_LIMIT_BYTES: Final = 8 * 1024 * 1024
_STOP_S: Final = 4.0
_KEEPER_START_S: Final = 10.0


class Child:
    """One started process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended (negative: by that signal), None while it runs."""
        return self._process.returncode

    async def ended(self) -> int:
        """Wait for its end."""
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def last_lines(self, count: int = 5) -> list[str]:
        """What it wrote last."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
                lines = file.read(_TAIL_BYTES).decode(errors="replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if line.strip()][-count:]

    def bound_log(self) -> None:
        """Start the log afresh when it has become too large (it is open for appending, so writing just goes on)."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > _LOG_LIMIT_BYTES:
                os.truncate(self.log, 0)


class Family:
    """All children of one `up`, in the process group of a keeper that outlives `up` just long enough to end them."""

    def __init__(self, directory: Path, state_file: Path) -> None:
        self.directory = directory
        self.children: list[Child] = []
        self._state_file = state_file
        self._keeper: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """Start the keeper; from here on nothing is left behind, however `up` ends.

        Raises:
            DiagmeshError: the keeper did not come up.
        """
        program = [sys.executable, "-I", "-S", str(Path(keeper.__file__)), str(self.directory), str(self._state_file)]
        self._keeper = await asyncio.create_subprocess_exec(
            *program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, process_group=0, cwd="/"
        )
        assert self._keeper.stdout is not None  # noqa: S101  asked for above
        async with asyncio.timeout(_KEEPER_START_S):
            if await self._keeper.stdout.readline() != b"ready\n":
                raise DiagmeshError("the keeper process did not start; is there memory and a process to spare?")

    async def spawn(self, name: str, program: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """Start a program without a shell, its output in a log of its own in the private directory."""
        assert self._keeper is not None  # noqa: S101  `open` comes first
        log = self.directory / f"{name.replace('/', '-').replace(' ', '-')}.log"
        # Settings of the user's shell must not reach into this mesh: its children are told everything by file.
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("DIAGMESH_", "NATS_"))}
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *program,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env={**clean, **(environment or {})},
                process_group=self._keeper.pid,
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    async def piped(
        self, program: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Start a program of the user's, in his environment and in a folder of his, whose output the caller reads."""
        assert self._keeper is not None  # noqa: S101  `open` comes first
        return await asyncio.create_subprocess_exec(
            *program,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            process_group=self._keeper.pid,
        )

    async def run(self, name: str, program: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """Start a program that ends by itself, and wait for that; it is ended when nobody waits any more."""
        child = await self.spawn(name, program, environment)
        try:
            await child.ended()
        finally:
            await _end([child])
            self.children.remove(child)
        return child

    async def stop(self, last: Child | None = None) -> None:
        """End everybody, ``last`` (the server) after the others; bounded, and by force in the end."""
        await _end([child for child in self.children if child is not last])
        await _end([child for child in self.children if child is last])

    def kill(self) -> None:
        """End everybody at once, by force."""
        for child in self.children:
            child.send(signal.SIGKILL)

    async def close(self) -> None:
        """Let the keeper finish: whoever is left in its group ends, and the directory goes. Safe to call twice."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None  # noqa: S101  asked for in open
        self._keeper.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3 * keeper.GRACE_S):
                await self._keeper.wait()


async def _end(children: Sequence[Child]) -> None:
    """SIGTERM, then SIGKILL for those that stay; a frozen one is thawed, else it would take no notice."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        alive = [child for child in children if child.returncode is None]
        for child in alive:
            child.send(number)
            child.send(signal.SIGCONT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await asyncio.gather(*(child.ended() for child in alive))


def how_it_ended(returncode: int) -> str:
    """An exit status in words."""
    if returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"
