"""A real `diagmesh up` as a subprocess, with temporary and runtime directories of its own: leftovers are seen."""

import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path
from typing import Final, Self

from support.cache import cache_root
from support.programs import wait_until

__all__ = ["Up", "diagmesh"]

_START_S: Final = 60.0
_END_S: Final = 30.0
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Up:
    """One `diagmesh up`; use it as a context manager.

    Args:
        directory: empty; temporary and runtime directory, home and output of it are made below.
        flags: after ``up``; a free port is asked for unless they name one, and the Python demo unless another.
        terminal: run it in a terminal of that many columns and rows, instead of without one.
        reader: a command of the shell through which its standard output goes (``head -n 1``).
    """

    def __init__(self, directory: Path, *flags: str, terminal: tuple[int, int] | None = None, reader: str = "") -> None:
        self.temporary, self.runtime = directory / "tmp", directory / "run"
        for folder in (self.temporary, self.runtime):
            folder.mkdir(mode=0o700)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("NATS_", "DIAGMESH_"))}
        places = {"TMPDIR": str(self.temporary), "XDG_RUNTIME_DIR": str(self.runtime), "HOME": str(directory)}
        # What was built for tests is found there, so that no test waits for a compiler.
        places["XDG_CACHE_HOME"] = str(cache_root().parent)
        self.environment = {**clean, **places, "XDG_CONFIG_HOME": str(directory), "TERM": "xterm-256color"}
        port = [] if "--port" in flags else ["--port", "0"]
        demo = [] if {"--demo", "--no-demo"} & set(flags) else ["--demo", "python"]
        self._command = [sys.executable, "-m", "diagmesh_cli", "up", *port, *demo, *flags]
        if reader:
            self._command = ["/bin/bash", "-o", "pipefail", "-c", f"{shlex.join(self._command)} | {reader}"]
        self._size = terminal
        self._master = -1
        self._shown = b""
        self._out, self._err = directory / "out", directory / "err"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and do not wait."""
        if self._size is None:
            with self._out.open("wb") as out, self._err.open("wb") as err:
                self.process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.environment
                )
            return self
        self._master, slave = pty.openpty()
        columns, rows = self._size
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # A session of its own, whose terminal this is: Ctrl-C reaches it as from a person.
        helper = [sys.executable, "-c", "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"]
        self.process = subprocess.Popen(
            [*helper, *self._command], stdin=slave, stdout=slave, stderr=slave, env=self.environment
        )
        os.close(slave)
        return self

    def ready(self) -> Self:
        """Start it and wait until it has told where it is."""
        self.start()
        wait_until(lambda: self.url != "" or not self.running, _START_S, "up has not told its address")
        assert self.running, self.said()
        return self

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def url(self) -> str:
        """The address that it printed."""
        words = self.said().replace('"', " ").split()
        return next((word.rstrip(",") for word in words if word.startswith("nats://")), "")

    @property
    def tries(self) -> list[list[str]]:
        """The commands that it printed, as words."""
        whole = self.said().replace(" \\\n", "")
        return [shlex.split(line) for line in whole.splitlines() if line.startswith("  nats ")]

    def said(self) -> str:
        """Everything that it printed so far, without colours and cursor movements."""
        if self._size is None:
            return self._out.read_text() + self._err.read_text() if self._out.exists() else ""
        return _CONTROL.sub("", self.raw()).replace("\r\n", "\n")

    def raw(self) -> str:
        """What its terminal got so far."""
        while select.select([self._master], [], [], 0.01)[0]:
            try:
                self._shown += os.read(self._master, 65_536)
            except OSError:
                break  # the other end is closed
        return self._shown.decode(errors="replace")

    def type(self, keys: bytes) -> None:
        """Press keys in its terminal."""
        os.write(self._master, keys)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        assert self.process is not None
        until = time.monotonic() + _END_S
        while self.running and time.monotonic() < until:
            self.said()
            time.sleep(0.02)
        assert not self.running, "up did not end"
        return self.process.returncode

    def processes(self, name: str = "") -> dict[int, str]:
        """Living processes that have our directory in their command line (and the name, if one is given)."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if entry.name.isdecimal() and str(self.temporary) in words and name in words:
                found[int(entry.name)] = words
        return found

    def leftovers(self) -> list[str]:
        """What is still there: processes, files, state files."""
        files = [*self.temporary.iterdir(), *self.runtime.iterdir()]
        return [*self.processes().values(), *map(str, files)]

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it by force; its keeper ends the rest."""
        if self.running:
            self.send(signal.SIGKILL)
            self.ended()
        wait_until(lambda: not self.leftovers(), _END_S, "up left something behind")
        if self._master >= 0:
            os.close(self._master)


def diagmesh(up: Up, *words: str, columns: int = 80) -> subprocess.CompletedProcess[str]:
    """Run a command of the CLI beside a running `up`, as its user would from a second terminal."""
    return subprocess.run(
        [sys.executable, "-m", "diagmesh_cli", *words],
        env={**up.environment, "COLUMNS": str(columns)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
