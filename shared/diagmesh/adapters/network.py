"""Counters of the network interfaces in a process's network namespace (proc_pid_net(5))."""

from diagmesh.adapters.digits import is_number
from diagmesh.adapters.procfs import PidDir
from diagmesh.contract.answers.surroundings import Interface, Network

__all__ = ["interfaces_of", "network_of", "parse_interfaces"]


def interfaces_of(process: PidDir) -> tuple[Interface, ...]:
    """Its interfaces; they count for everybody in the namespace.

    Raises:
        Unreadable: the table may not be read.
        NotRunning: it ended.
    """
    return parse_interfaces(process.read("net/dev", "network").decode("ascii", "replace"))


def parse_interfaces(text: str) -> tuple[Interface, ...]:
    """Read ``/proc/net/dev``: eight numbers received, eight sent, per interface."""
    found = []
    for line in text.splitlines():
        name, colon, rest = line.rpartition(":")
        fields = rest.split()
        if not colon or len(fields) < 16 or not all(map(is_number, fields[:16])):
            continue
        values = [int(field) for field in fields[:16]]
        found.append(
            Interface(
                name=name.strip(),
                rx_bytes=values[0],
                rx_packets=values[1],
                rx_errors=values[2],
                rx_dropped=values[3],
                tx_bytes=values[8],
                tx_packets=values[9],
                tx_errors=values[10],
                tx_dropped=values[11],
            )
        )
    return tuple(found)


def network_of(interfaces: tuple[Interface, ...], *, each: bool) -> Network:
    """The interfaces added up without loopback, whose traffic would count twice; with ``each`` all of them as well."""
    outer = [one for one in interfaces if one.name != "lo"]
    return Network(
        rx_bytes=sum(one.rx_bytes for one in outer),
        tx_bytes=sum(one.tx_bytes for one in outer),
        errors=sum(one.rx_errors + one.tx_errors for one in outer),
        dropped=sum(one.rx_dropped + one.tx_dropped for one in outer),
        interfaces=interfaces if each else (),
    )
