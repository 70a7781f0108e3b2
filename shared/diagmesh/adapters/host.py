"""The machine that the neighbour runs on: CPUs, load, memory."""

import os
from typing import Final

from diagmesh.adapters.digits import is_number
from diagmesh.adapters.kept import KeptFiles
from diagmesh.contract.answers.surroundings import Host
from diagmesh.errors import Unreadable

__all__ = ["host"]

_MEMINFO: Final = "/proc/meminfo"
_KIB: Final = 1024
_files: Final = KeptFiles()


def host() -> Host:
    """One look.

    Raises:
        Unreadable: the kernel does not tell its memory.
    """
    try:
        told = f"\n{_files.read(_MEMINFO).decode('ascii', 'replace')}"
    except OSError as error:
        raise Unreadable("host", f"{_MEMINFO}: {error.strerror}") from None
    one, five, fifteen = os.getloadavg()
    return Host(
        cpus=os.cpu_count() or 1,
        load_1m=round(one, 2),
        load_5m=round(five, 2),
        load_15m=round(fifteen, 2),
        memory_total_bytes=_bytes(told, "MemTotal"),
        memory_available_bytes=_bytes(told, "MemAvailable"),
    )


def _bytes(told: str, name: str) -> int:
    """One line of some fifty (proc_meminfo(5)), looked up in the text, which begins with a line break."""
    _, _, rest = told.partition(f"\n{name}:")
    number, _, _ = rest[:64].lstrip().partition(" ")
    if not is_number(number):
        raise Unreadable("host", f"the kernel does not tell {name}")
    return int(number) * _KIB
