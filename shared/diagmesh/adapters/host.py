"""The machine that the neighbour runs on: CPUs, load, memory."""

import os

from diagmesh.contract.answers.surroundings import Host

__all__ = ["host"]


def host() -> Host:
    """One look; the first one loads psutil, which a sidecar that is never asked for resources does not need."""
    import psutil  # noqa: PLC0415  costs 40 ms and a MiB

    memory = psutil.virtual_memory()
    one, five, fifteen = os.getloadavg()
    return Host(
        cpus=os.cpu_count() or 1,
        load_1m=round(one, 2),
        load_5m=round(five, 2),
        load_15m=round(fifteen, 2),
        memory_total_bytes=memory.total,
        memory_available_bytes=memory.available,
    )
