"""What every part of the bench needs: a server, peers as processes, their CPU and memory."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.once import first_answer_s
from support.golang import Go, GoMissing
from support.natsserver import NatsServer
from support.programs import Program

__all__ = ["Lab", "cpu_s", "memory_mib", "our_cpu_s"]

_PATIENCE_S = 60.0
_LOG = "peers.log"
T = TypeVar("T", bound=msgspec.Struct)


class Lab:
    """One run: a plain server on loopback and a folder for logs.

    ``go`` is the built Go peer, or None with the reason in ``no_go``.
    """

    def __init__(self, server: NatsServer, directory: Path) -> None:
        self.url = server.url
        self.directory = directory
        self.go: Path | None = None
        self.go_version = ""
        self.no_go = ""
        try:
            toolchain = Go()
            self.go_version = toolchain.version
            self.go = toolchain.program("peer", Path(__file__).parent / "go")
        except GoMissing as error:
            self.no_go = str(error).splitlines()[0]

    def start(self, command: Sequence[str | Path]) -> Program:
        """A peer in the background; use it as a context manager."""
        return Program(command, self.directory / _LOG)

    def sidecar(self, *more: str) -> list[str | Path]:
        """The command of a real sidecar with all agents, beside the server of this lab."""
        who = ["--service", "watched", "--instance", "w1", "--port", self.url.rpartition(":")[2]]
        return ["python", "-m", "diagmesh_agents", "--nats", self.url, *who, "--log-level", "warning", *more]

    def await_answer(self, subject: str) -> None:
        """Ask on ``subject`` until somebody answers.

        Raises:
            RuntimeError: nobody did; with the last words of the processes.
        """
        try:
            first_answer_s(self.url, subject)
        except (TimeoutError, OSError) as error:
            raise RuntimeError(f"{error}; {self._last_words()}") from None

    def tell(self, kind: type[T], command: Sequence[str | Path]) -> T:
        """Run to the end a process that tells its outcome as JSON."""
        with self.talking(command) as process:
            return self.outcome(kind, process)

    def outcome(self, kind: type[T], process: "subprocess.Popen[str]") -> T:
        """What a talking process tells as its last line.

        Raises:
            RuntimeError: it failed; with the last words.
        """
        assert process.stdout is not None
        line = process.stdout.readline()
        if process.wait(_PATIENCE_S):
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}; {self._last_words()}")
        return msgspec.json.decode(line, type=kind)

    def heard(self, process: "subprocess.Popen[str]", word: str) -> None:
        """Wait for a line of a talking process.

        Raises:
            RuntimeError: it said something else, or ended; with the last words.
        """
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"a process of the bench said {line!r}, not {word!r}; {self._last_words()}")

    def _last_words(self) -> str:
        log = self.directory / _LOG
        return "the last words:\n" + log.read_text(encoding="utf-8", errors="replace")[-2000:]

    @contextmanager
    def talking(self, command: Sequence[str | Path]) -> "Iterator[subprocess.Popen[str]]":
        """A process whose standard output we read; ended in any case."""
        program = [sys.executable if command[0] == "python" else command[0], *command[1:]]
        with (self.directory / _LOG).open("a", encoding="utf-8") as log:
            process = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def cpu_s(pid: int) -> float:
    """CPU time of all living threads of a process, to the nanosecond (the clock of /proc/PID/stat ticks at 10 ms)."""
    used_ns = 0
    for task in Path("/proc", str(pid), "task").iterdir():
        try:
            used_ns += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that ended meanwhile
    return used_ns / 1e9


def our_cpu_s() -> float:
    """CPU time of this process, and of those that it has waited for."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def memory_mib(pid: int | str) -> dict[str, float]:
    """RSS and PSS of a process."""
    lines = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines}
    return {"RSS MiB": sizes["Rss:"], "PSS MiB": sizes["Pss:"]}
