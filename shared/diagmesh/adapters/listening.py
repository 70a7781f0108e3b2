"""Who listens on a TCP port, also in other network namespaces."""

from pathlib import Path

from diagmesh.adapters.fits import Fits
from diagmesh.adapters.procfs import PidDir, pids
from diagmesh.adapters.sockets import socket_inodes, tcp_table
from diagmesh.errors import NotRunning, Unreadable

__all__ = ["holders_of_port"]


def holders_of_port(port: int, root: str) -> Fits:
    """The processes that hold a socket listening on ``port``.

    Our own network namespace is asked first; only when nobody listens there, those of the other processes that we may
    look into, in the order of their numbers.
    """
    everybody = pids(root)
    owners: dict[int, int] = {}
    for reader in _namespaces(everybody, root):
        owners = _listening(reader, port)
        if owners:
            break
    if not owners:
        return Fits(reason=f"nobody listens on TCP port {port}")
    found, hidden = [], False
    for pid in everybody:
        try:
            if not owners.keys().isdisjoint(socket_inodes(PidDir(pid, root))):
                found.append(pid)
        except NotRunning:
            continue
        except Unreadable:
            hidden = True
    if found:
        return Fits(tuple(found))
    if hidden:
        users = ", ".join(str(uid) for uid in sorted(set(owners.values())))
        return Fits(
            reason=f"somebody (uid {users}) listens on TCP port {port}, but the sidecar may not see whose socket it is:"
            " run it as that user or give it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
            hidden=True,
        )
    return Fits(reason=f"TCP port {port} is held by a process outside of our process namespace", hidden=True)


def _listening(process: PidDir, port: int) -> dict[int, int]:
    """Inode and user of each socket that listens on the port, as the process's network namespace shows it."""
    try:
        return {
            entry.inode: entry.uid for entry in tcp_table(process) if entry.port == port and entry.state == "LISTEN"
        }
    except (NotRunning, Unreadable):
        return {}


def _namespaces(everybody: list[int], root: str) -> list[PidDir]:
    """One process for each network namespace that can be told apart, our own first."""
    seen: set[int] = set()
    readers = []
    for name in ["self", *map(str, everybody)]:
        try:
            namespace = Path(root, name, "ns", "net").stat().st_ino
            if namespace not in seen:
                seen.add(namespace)
                readers.append(PidDir(int(Path(root, name).resolve().name), root))
        except (OSError, NotRunning, Unreadable):
            continue  # gone, or not for us to look into
    return readers
