"""The TCP connections of one process, with what waits in the kernel on either way."""

import ipaddress
from typing import Final

from diagmesh.adapters.procfs import PidDir
from diagmesh.adapters.sockets import readable_address, socket_inodes, tcp_table
from diagmesh.target import TcpLink

__all__ = ["tcp_links"]

_MOST: Final = 4096


def tcp_links(process: PidDir) -> tuple[TcpLink, ...]:
    """All of them but listeners; at most 4096.

    Raises:
        Unreadable: its descriptors may not be read.
        NotRunning: it ended.
    """
    wanted = socket_inodes(process)
    found: list[TcpLink] = []
    for entry in tcp_table(process) if wanted else ():
        if entry.state == "LISTEN" or not wanted.pop(entry.inode, 0):
            continue
        address, _, port = entry.remote.partition(":")
        found.append(
            TcpLink(
                local_address=_plain(readable_address(entry.address)),
                local_port=entry.port,
                remote_address=_plain(readable_address(address)),
                remote_port=int(port, 16),
                state=entry.state,
                send_queue_bytes=entry.sending,
                receive_queue_bytes=entry.waiting,
            )
        )
        if len(found) == _MOST:
            break
    return tuple(found)


def _plain(address: str) -> str:
    """An IPv4 address that a socket for both families has, as IPv4."""
    mapped = getattr(ipaddress.ip_address(address), "ipv4_mapped", None)
    return str(mapped or address)
