"""What a process touches: sockets, filesystems, network interfaces, the host; a part of the `resources` answer."""

from typing import Annotated

import msgspec

from diagmesh.contract.measures import Measure

__all__ = ["Disks", "Filesystem", "Host", "Interface", "Listener", "Network", "Sockets"]

Share = Annotated[float | None, Measure("share")]


class Listener(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One listening TCP socket, and how many connections wait in it to be accepted."""

    address: str
    port: int
    waiting: int


class Sockets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Sockets that the process holds.

    TIME_WAIT belongs to no process and is never here. A growing CLOSE_WAIT means that the peer is gone and the program
    does not close.
    """

    total: Annotated[int, Measure("count")]
    established: Annotated[int, Measure("count")]
    close_wait: Annotated[int, Measure("count")]
    tcp_by_state: dict[str, int] = {}
    udp: int = 0
    unix: int = 0
    other: int = 0
    listeners: tuple[Listener, ...] = ()


class Filesystem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One filesystem that the process uses.

    Args:
        mount: mount point as the process sees it.
        kind: its type (``ext4``).
        used_for: ``root``, ``cwd``, ``exe``, ``open files``.
        free_bytes: for an unprivileged writer.
        used_share: used to what such a writer could use.
        total_inodes: missing where the filesystem makes them on demand.
    """

    mount: str
    kind: str
    used_for: tuple[str, ...]
    total_bytes: int
    free_bytes: int
    used_share: float
    total_inodes: int | None = None
    free_inodes: int | None = None
    used_inodes_share: float | None = None
    read_only: bool = False


class Disks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The filesystems that the process uses: the fullest, and with ``detail: full`` each of them."""

    fullest_share: Share = None
    fullest_at: str = ""
    fullest_inodes_share: Share = None
    fullest_inodes_at: str = ""
    count: int = 0
    age_s: float = 0.0
    filesystems: tuple[Filesystem, ...] = ()


class Interface(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Counters of one network interface since it was made."""

    name: str
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


class Network(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Traffic of the network namespace that the process lives in, not of it alone; loopback is not added up."""

    rx_bytes: int
    tx_bytes: int
    errors: Annotated[int, Measure("count")]
    dropped: Annotated[int, Measure("count")]
    scope: str = "network namespace"
    interfaces: tuple[Interface, ...] = ()


class Host(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The machine: CPUs, load averages over 1, 5 and 15 minutes, memory."""

    cpus: int
    load_1m: float
    load_5m: float
    load_15m: float
    memory_total_bytes: int
    memory_available_bytes: int
