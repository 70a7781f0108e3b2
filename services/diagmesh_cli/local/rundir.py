"""Where a running `diagmesh up` lives, and how another terminal finds it."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from diagmesh.errors import DiagmeshError

__all__ = [
    "Running",
    "discover",
    "forget_state",
    "living",
    "make_private_directory",
    "remove",
    "start_ticks",
    "state_directory",
    "state_file",
    "write_state",
]

_PREFIX: Final = "up-"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A running `up`, as its state file tells.

    Args:
        pid: of `up` itself.
        started_ticks: start time of that process (clock ticks since boot), so that a reused pid is not mistaken for it.
        url: of its NATS server.
        directory: its private directory.
        operator_seed_file: the key of the privileged operator.
        application_seed_file: a key for the account of the demo services.
        services: the watched services.
    """

    pid: int
    started_ticks: int
    url: str
    directory: str
    operator_seed_file: str
    application_seed_file: str
    services: tuple[str, ...] = ()


def make_private_directory() -> Path:
    """A new temporary directory that only this user may enter."""
    return Path(tempfile.mkdtemp(prefix="diagmesh-up-"))


def remove(directory: Path) -> None:
    """Remove the private directory with everything in it; it is no error when it is gone already."""
    shutil.rmtree(directory, ignore_errors=True)


def state_directory(environment: Mapping[str, str] | None = None) -> Path:
    """Where state files are: below XDG_RUNTIME_DIR, else a directory per user among the temporary files."""
    env = os.environ if environment is None else environment
    runtime = env.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir() and os.access(runtime, os.W_OK):
        return Path(runtime) / "diagmesh"
    return Path(tempfile.gettempdir()) / f"diagmesh-{os.getuid()}"


def state_file(pid: int) -> Path:
    """The state file of the `up` with that process id."""
    return state_directory() / f"{_PREFIX}{pid}.json"


def write_state(running: Running) -> Path:
    """Tell other terminals of this user where the mesh is.

    Raises:
        DiagmeshError: the state directory belongs to somebody else, or others may enter it.
    """
    directory = state_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(directory):
        raise DiagmeshError(
            f"{directory} is not a directory that only you may enter: remove it, or set XDG_RUNTIME_DIR"
        )
    path = state_file(running.pid)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(running))
    beside.replace(path)
    return path


def forget_state(pid: int) -> None:
    """Remove the state file, and the directory of state files when it was the last one."""
    state_file(pid).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        state_directory().rmdir()


def discover() -> Running | None:
    """The newest living `up` of this user, or None."""
    return next(iter(living()), None)


def living() -> list[Running]:
    """Every living `up` of this user, the newest first. State files of dead ones are removed on the way."""
    directory = state_directory()
    if not _is_ours(directory):
        return []
    alive = []
    for path in directory.glob(f"{_PREFIX}*.json"):
        try:
            running = msgspec.json.decode(path.read_bytes(), type=Running)
        except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
        if start_ticks(running.pid) == running.started_ticks:
            alive.append(running)
        else:
            path.unlink(missing_ok=True)
    return sorted(alive, key=lambda running: running.started_ticks, reverse=True)


def start_ticks(pid: int) -> int | None:
    """When the kernel started a process (clock ticks since boot; /proc/PID/stat field 22), None when there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _is_ours(directory: Path) -> bool:
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
