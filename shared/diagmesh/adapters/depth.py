"""The expensive look at a process: sockets, memory by owner, children, interfaces, context switches."""

from contextlib import suppress

from diagmesh.adapters.blinds import Blinds
from diagmesh.adapters.limits import context_switches_of, memory_split_of, peak_rss_of
from diagmesh.adapters.network import interfaces_of
from diagmesh.adapters.procfs import PidDir
from diagmesh.adapters.sockets import open_sockets
from diagmesh.errors import NotRunning, Unreadable
from diagmesh.target import Depth

__all__ = ["children_of", "depth_of"]


def depth_of(process: PidDir) -> Depth:
    """Look once: tens of milliseconds, more for a large process.

    Raises:
        NotRunning: it has ended.
    """
    blinds = Blinds()
    split = blinds.see(lambda: memory_split_of(process))
    depth = Depth(
        pss_bytes=split and split.pss,
        uss_bytes=split and split.uss,
        swap_bytes=split and split.swap,
        peak_rss_bytes=blinds.see(lambda: peak_rss_of(process)),
        sockets=blinds.see(lambda: open_sockets(process)),
        interfaces=blinds.see(lambda: interfaces_of(process)),
        children=blinds.see(lambda: children_of(process)),
        context_switches=blinds.see(lambda: context_switches_of(process)),
        blind=blinds.all(),
    )
    process.living_stat()  # what ends meanwhile leaves zeros behind
    return depth


def children_of(process: PidDir) -> int:
    """How many processes it started, directly or through others, that still run: those that ended count no more.

    Raises:
        Unreadable: they may not be seen.
        NotRunning: it ended.
    """
    import psutil  # noqa: PLC0415  loaded with the first question that needs it

    count = 0
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                count += child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        raise NotRunning(f"process {process.pid} has ended") from None
    except psutil.AccessDenied:
        raise Unreadable("children", "permission denied") from None
    return count
