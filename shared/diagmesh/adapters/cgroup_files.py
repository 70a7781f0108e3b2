"""Reads the small files of a control group; a file that is not there is None, one that may not be read is a refusal."""

import os
from typing import Final

from diagmesh.contract.answers.cgroup import Stall
from diagmesh.errors import Unreadable

__all__ = ["keyed", "number", "parse_keyed", "parse_stall", "stall", "text"]

_FIX: Final = "let the sidecar read /sys/fs/cgroup of the host (read-only mount), or run it as the user of the service"
_FILE_BYTES: Final = 64 * 1024
_MICRO: Final = 1e-6


def text(file: str, what: str) -> str | None:
    """The content; None where the kernel has no such file or does not support reading it.

    Raises:
        Unreadable: there is one, but not for us.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # One read: the kernel makes the content of such a file anew for each, and none comes near this size.
            return os.read(descriptor, _FILE_BYTES).decode("ascii", "replace")
        finally:
            os.close(descriptor)
    except PermissionError:
        name = file.rpartition("/")[2]
        raise Unreadable(what, f"permission denied: {name} of the control group", _FIX) from None
    except OSError:
        return None


def number(file: str, what: str) -> int | None:
    """A single number; None for ``max``, for a missing file and for anything else. Raises like `text`."""
    content = text(file, what)
    try:
        return int(content) if content else None
    except ValueError:
        return None


def keyed(file: str, what: str) -> dict[str, int]:
    """Lines of a name and a number; empty when there is no such file. Raises like `text`."""
    return parse_keyed(text(file, what) or "")


def parse_keyed(content: str) -> dict[str, int]:
    """Read lines of a name and a number; other lines are passed over."""
    found = {}
    for line in content.splitlines():
        name, _, value = line.partition(" ")
        if value.lstrip("-").isdecimal() and value.isascii():
            found[name] = int(value)
    return found


def stall(file: str, what: str) -> Stall | None:
    """One pressure file; None when the kernel does not keep it. Raises like `text`."""
    content = text(file, what)
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
