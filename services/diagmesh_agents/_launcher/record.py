"""The exit records on disk: one small JSON file each, written whole or not at all, the last twenty kept."""

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["Records", "default_directory"]

_KEPT: Final = 20
_PATIENCE_S: Final = 2.0


def default_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where state is kept when nobody says so: ``$XDG_STATE_HOME``, ``/var/lib`` for root, else the home directory."""
    if given := environment.get("XDG_STATE_HOME"):
        return Path(given, "diagmesh")
    if os.geteuid() == 0:
        return Path("/var/lib/diagmesh")
    return Path(environment.get("HOME") or "/nonexistent", ".local/state/diagmesh")


class Records:
    """The records of one instance.

    Args:
        root: the state directory.
        service: whose records.
        instance: whose records.
    """

    def __init__(self, root: str, service: str, instance: str) -> None:
        self.directory = Path(root, service, instance)

    def open(self) -> str:
        """Make the directory, for its owner only; returns why that cannot be, or nothing."""
        try:
            for directory in (*reversed(self.directory.parents[:2]), self.directory):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.directory, os.W_OK | os.X_OK):
                return f"{self.directory} is not writable"
        except OSError as error:
            return f"{error.filename or self.directory}: {error.strerror}"
        return ""

    def write(self, record: dict[str, Any]) -> str:
        """Keep one; returns why that failed, or nothing. A disk that hangs is not waited for."""
        outcome = [f"{self.directory}: not written within {_PATIENCE_S:g} s"]
        writer = threading.Thread(target=self._write, args=(record, outcome), daemon=True)
        writer.start()
        writer.join(_PATIENCE_S)
        return outcome[0]

    def _write(self, record: dict[str, Any], outcome: list[str]) -> None:
        moment = record["at"].replace(":", "").replace("-", "")
        file = self.directory / f"exit-{moment}-{record['pid']}.json"
        part = file.with_suffix(".part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as text:
                json.dump(record, text, indent=2)
                text.write("\n")
                text.flush()
                os.fsync(text.fileno())
            part.rename(file)
            directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
            # Never the one just written, though a clock that was set back makes it look old.
            for old in sorted(set(self.directory.glob("exit-*.json")) - {file})[: 1 - _KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)  # a full disk must not fill up with beginnings
            outcome[0] = f"{error.filename or file}: {error.strerror}"
            return
        outcome[0] = ""
