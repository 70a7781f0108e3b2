"""A service under the launcher, with its other processes found from outside."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from support.procs import alive
from support.programs import wait_until

__all__ = ["Launched", "beginning_late"]

_START_S: Final = 30.0
_END_S: Final = 60.0


def beginning_late(directory: Path, word: str, seconds: float) -> dict[str, str]:
    """An environment in which whatever Python runs with this word in its command line begins so much later.

    As on a busy machine, where it gets no CPU to begin with; nobody is told, other than of a frozen process.
    """
    (directory / "sitecustomize.py").write_text(
        f"import sys, time\nif any({word!r} in one for one in sys.orig_argv):\n    time.sleep({seconds})\n"
    )
    return {"PYTHONPATH": str(directory)}


class Launched:
    """``diagmesh sidecar … -- COMMAND``, started. Use it as a context manager: whatever is left is ended with it.

    Args:
        directory: for state, and for its output where nothing else is said.
        command: the service.
        flags: for the sidecar.
        out: where its standard output goes; default: a file.
        err: likewise for standard error.
        environment: laid over ours.
        options: for `subprocess.Popen`.
    """

    def __init__(
        self,
        directory: Path,
        command: Sequence[object],
        *flags: str | Path,
        out: int | IO[Any] | None = None,
        err: int | IO[Any] | None = None,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.directory, self.state = directory, directory / "state"
        self._files = [(directory / name).open("ab") for name in ("out", "err")]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("DIAGMESH_")}
        who = () if "--config" in flags else ("--service", "orders", "--instance", "i1", "--heartbeat", "0.5")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "diagmesh_cli",
                "sidecar",
                *who,
                "--state-dir",
                self.state,
                *flags,
                "--",
                *map(str, command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._files[0] if out is None else out,
            stderr=self._files[1] if err is None else err,
            env={**clean, **(environment or {})},
            **options,
        )
        self._seen: set[int] = set()

    @property
    def pid(self) -> int:
        """The launcher."""
        return self.process.pid

    @property
    def pump(self) -> int:
        """The pump that runs now; waits for one."""
        return self._child("diagmesh_agents._launcher.pump")

    @property
    def sidecar(self) -> int:
        """The sidecar that runs now; waits for one."""
        return self._child("diagmesh_agents")

    @property
    def service(self) -> int:
        """The service that runs now; waits for one."""
        return self._child("")

    def text(self, stream: str) -> bytes:
        """What was passed on to the file ``out`` or ``err``."""
        return (self.directory / stream).read_bytes()

    def records(self) -> list[dict[str, Any]]:
        """The exit records, oldest first."""
        return [json.loads(file.read_bytes()) for file in sorted(self.state.glob("*/*/exit-*.json"))]

    def ended(self, within_s: float = _END_S) -> int:
        """The exit code of the launcher, once it has ended by itself."""
        return self.process.wait(within_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._children()
        self.process.kill()
        self.process.wait(_START_S)
        for pid in self._seen:
            if alive(pid):
                os.kill(pid, 9)
        for file in self._files:
            file.close()

    def _child(self, module: str) -> int:
        found: list[int] = []

        def there() -> bool:
            found[:] = [pid for pid, name in self._children().items() if name == module]
            return bool(found) or self.process.poll() is not None

        wait_until(there, _START_S, f"a child {module or '(the service)'}")
        assert found, self.text("err").decode("utf-8", "replace")
        return found[0]

    def _children(self) -> dict[int, str]:
        """Our living children by number, with the module that they run; the service runs none of ours."""
        children = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, parent = (folder / "stat").read_bytes().rpartition(b") ")[2].split()[:2]
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(parent) == self.pid and state != b"Z":
                ours = words[1:3] == [b"-P", b"-m"]
                children[int(folder.name)] = words[3].decode() if ours else ""
        self._seen |= children.keys()
        return children
