"""Reads the small files of a control group; what the kernel does not keep is None, whatever else fails a refusal."""

import errno
from typing import Final

from diagmesh.adapters.digits import is_number
from diagmesh.adapters.kept import KeptFiles
from diagmesh.contract.answers.cgroup import Stall
from diagmesh.errors import Unreadable

__all__ = ["keyed", "misshapen", "number", "parse_keyed", "parse_stall", "refusal", "stall", "text"]

_FIX: Final = "let the sidecar read /sys/fs/cgroup of the host (read-only mount), or run it as the user of the service"
_MICRO: Final = 1e-6
_NOT_KEPT: Final = frozenset({errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP})


def text(files: KeptFiles, file: str, what: str) -> str | None:
    """The content; None where the kernel has no such file or does not support reading it.

    Args:
        files: where it is kept open.
        file: its path.
        what: its name in an answer that has to do without.

    Raises:
        Unreadable: there may be one, but it cannot be read: not allowed, or no descriptor left, or broken.
    """
    try:
        return files.read(file).decode("ascii", "replace")
    except OSError as error:
        if error.errno in _NOT_KEPT:
            return None
        raise refusal(error, file, what) from None


def refusal(error: OSError, file: str, what: str) -> Unreadable:
    """What an error of the system says about a file or directory of a control group."""
    name = file.rpartition("/")[2]
    if isinstance(error, PermissionError):
        return Unreadable(what, f"permission denied: {name} of the control group", _FIX)
    return Unreadable(what, f"{name} of the control group: {error.strerror}")


def number(files: KeptFiles, file: str, what: str) -> int | None:
    """A single number; None for ``max`` and for a missing file. Raises like `text`, for anything else too."""
    content = text(files, file, what)
    if content is None or content.strip() == "max":
        return None
    try:
        return int(content)
    except ValueError:
        raise misshapen(file, what, "no number") from None


def misshapen(file: str, what: str, holds: str) -> Unreadable:
    """The refusal of a file that says something else than the kernel's documentation does."""
    return Unreadable(what, f"{file.rpartition('/')[2]} of the control group holds {holds} that is known here")


def keyed(files: KeptFiles, file: str, what: str) -> dict[str, int]:
    """Lines of a name and a number; empty when there is no such file. Raises like `text`."""
    return parse_keyed(text(files, file, what) or "")


def parse_keyed(content: str) -> dict[str, int]:
    """Read lines of a name and a number; other lines are passed over."""
    found = {}
    for line in content.splitlines():
        name, _, value = line.partition(" ")
        if is_number(value.removeprefix("-")):
            found[name] = int(value)
    return found


def stall(files: KeptFiles, file: str, what: str) -> Stall | None:
    """One pressure file; None when the kernel does not keep it. Raises like `text`."""
    content = text(files, file, what)
    return parse_stall(content) if content else None


def parse_stall(content: str) -> Stall | None:
    """Read a pressure file (kernel: accounting/psi): percent become shares, microseconds become seconds."""
    found: dict[str, dict[str, float]] = {}
    for line in content.splitlines():
        name, *pairs = line.split() or [""]
        try:
            found[name] = {key: float(value) for key, _, value in (pair.partition("=") for pair in pairs)}
        except ValueError:
            continue
    some, full = found.get("some", {}), found.get("full", {})
    try:
        return Stall(
            some_avg10=round(some["avg10"] / 100, 4),
            some_avg60=round(some["avg60"] / 100, 4),
            some_avg300=round(some["avg300"] / 100, 4),
            some_total_s=round(some["total"] * _MICRO, 3),
            full_avg10=round(full["avg10"] / 100, 4) if full else None,
            full_avg60=round(full["avg60"] / 100, 4) if full else None,
            full_avg300=round(full["avg300"] / 100, 4) if full else None,
            full_total_s=round(full["total"] * _MICRO, 3) if full else None,
        )
    except KeyError:
        return None
