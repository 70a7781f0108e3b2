"""The sockets of one process: descriptors joined with the tables of its network namespace (proc_pid_net(5))."""

import ipaddress
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from diagmesh.adapters.digits import is_number
from diagmesh.adapters.procfs import NotThere, PidDir
from diagmesh.contract.answers.surroundings import Listener, Sockets
from diagmesh.errors import NotRunning, Unreadable

__all__ = ["TcpEntry", "open_sockets", "parse_tcp", "readable_address", "socket_inodes", "tcp_table"]

_DESCRIPTOR_LIMIT: Final = 100_000
_LISTENERS_LIMIT: Final = 64
_PREFIX: Final = "socket:["
_TCP_STATES: Final = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RECV",
    "04": "FIN_WAIT1",
    "05": "FIN_WAIT2",
    "06": "TIME_WAIT",
    "07": "CLOSE",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0A": "LISTEN",
    "0B": "CLOSING",
    "0C": "NEW_SYN_RECV",
}


class TcpEntry(NamedTuple):
    """One line of ``/proc/net/tcp`` or ``tcp6``; of a listener ``waiting`` is the number of connections to accept.

    Of any other ``waiting`` are the bytes that the process has not read, ``sending`` those that the other side has not
    confirmed, and ``remote`` is where that is, as the kernel writes it.
    """

    address: str
    port: int
    state: str
    waiting: int
    uid: int
    inode: int
    remote: str = ""
    sending: int = 0


def parse_tcp(line: str) -> TcpEntry | None:
    """Read one line of a TCP table; None for the heading and anything else."""
    fields = line.split(maxsplit=10)
    if len(fields) < 10 or fields[3] not in _TCP_STATES:
        return None
    address, _, port = fields[1].partition(":")
    try:
        return TcpEntry(
            address=address,
            port=int(port, 16),
            state=_TCP_STATES[fields[3]],
            waiting=int(fields[4].rpartition(":")[2], 16),
            uid=int(fields[7]),
            inode=int(fields[9]),
            remote=fields[2],
            sending=int(fields[4].partition(":")[0], 16),
        )
    except ValueError:
        return None


def readable_address(raw: str) -> str:
    """An address of the table as people write it: the kernel prints 32-bit words in the byte order of the machine."""
    words = [int(raw[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(raw), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def tcp_table(process: PidDir) -> Iterator[TcpEntry]:
    """All TCP sockets (IPv4 and IPv6) of the network namespace of a process; without IPv6 only the former."""
    for name in ("net/tcp", "net/tcp6"):
        for line in _lines(process, name):
            entry = parse_tcp(line)
            if entry is not None:
                yield entry


def socket_inodes(process: PidDir) -> Counter[int]:
    """The inodes of the sockets that a process holds; raises `Unreadable` when it may not be looked into."""
    names = process.names("fd", "sockets")
    if len(names) > _DESCRIPTOR_LIMIT:
        raise Unreadable("sockets", f"{len(names)} descriptors are too many to look at one by one")
    found: Counter[int] = Counter()
    for name in names:
        try:
            link = process.link(f"fd/{name}", "sockets")
        except NotRunning:
            process.living_stat()  # the process ended, or only this descriptor was closed
            continue
        except NotThere:
            continue  # this one was closed meanwhile
        if link.startswith(_PREFIX):
            found[int(link[len(_PREFIX) : -1])] += 1
    if not names:
        process.living_stat()
    return found


def open_sockets(process: PidDir) -> Sockets:
    """Its sockets by protocol and state, and its listeners with the connections that wait in them.

    Raises:
        Unreadable: its descriptors may not be read.
        NotRunning: it ended.
    """
    wanted = socket_inodes(process)
    total = len(wanted)
    states: Counter[str] = Counter()
    listeners: list[Listener] = []
    for entry in tcp_table(process) if wanted else ():
        if wanted.pop(entry.inode, 0):
            states[entry.state] += 1
            if entry.state == "LISTEN" and len(listeners) < _LISTENERS_LIMIT:
                listeners.append(
                    Listener(address=readable_address(entry.address), port=entry.port, waiting=entry.waiting)
                )
    udp = _count(process, ("net/udp", "net/udp6"), 9, wanted)
    unix = _count(process, ("net/unix",), 6, wanted)
    return Sockets(
        total=total,
        established=states["ESTABLISHED"],
        close_wait=states["CLOSE_WAIT"],
        tcp_by_state=dict(sorted(states.items())),
        udp=udp,
        unix=unix,
        other=len(wanted),
        listeners=tuple(sorted(listeners, key=lambda listener: (listener.port, listener.address))),
    )


def _count(process: PidDir, names: tuple[str, ...], column: int, wanted: Counter[int]) -> int:
    found = 0
    for name in names:
        for line in _lines(process, name) if wanted else ():
            fields = line.split(maxsplit=column + 1)
            if len(fields) > column and is_number(fields[column]):
                found += bool(wanted.pop(int(fields[column]), 0))
    return found


def _lines(process: PidDir, name: str) -> Iterator[str]:
    rest = ""
    try:
        for piece in process.chunks(name, "sockets"):
            *lines, rest = (rest + piece.decode("ascii", "replace")).split("\n")
            yield from lines
    except NotThere:
        if name.endswith("6"):
            return  # a kernel without IPv6 has no such table
        raise
    if rest:
        yield rest
