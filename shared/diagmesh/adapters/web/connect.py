"""From a host and a port to a connected socket, with words for each way in which that fails."""

import asyncio
import errno
import os
import socket
from typing import Final, NamedTuple

from diagmesh.adapters.threads import in_thread
from diagmesh.adapters.web.visit import Fault, Visit

__all__ = ["Address", "Resolver", "connect"]

_OUR_FAULT: Final = {
    errno.EMFILE: "the sidecar has no free file descriptor",
    errno.ENFILE: "the host has no free file descriptor",
    errno.EADDRNOTAVAIL: "the host has no free local port or address",
    errno.ENOBUFS: "the kernel has no memory for the connection",
    errno.EACCES: "the sidecar may not connect there",
    errno.EPERM: "a local firewall rule keeps the sidecar from connecting",
    errno.EAFNOSUPPORT: "this host does not speak that address family",
}
"""What says something about the place of the sidecar, and nothing about the door."""

_DOORS_FAULT: Final = {
    errno.ECONNREFUSED: "refused: nothing listens",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ECONNRESET: "reset while connecting",
    errno.ETIMEDOUT: "no answer to the connection attempt",
}


class Address(NamedTuple):
    """One way to reach the door."""

    family: int
    where: tuple[str, int] | tuple[str, int, int, int]

    def __str__(self) -> str:
        """As it is written in a URL."""
        host = f"[{self.where[0]}]" if self.family == socket.AF_INET6 else self.where[0]
        return f"{host}:{self.where[1]}"


class Resolver:
    """Finds the addresses of one host and port, with at most one look-up under way.

    A look-up cannot be called off, and a resolver that hangs takes far longer than any time-out of ours: later looks
    join the one that hangs instead of starting another thread.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._pending: asyncio.Future[list[Address]] | None = None

    async def addresses(self) -> list[Address]:
        """All addresses, in the order of the system's preference.

        Raises:
            Fault: the name is unknown, or the resolver could not tell.
        """
        try:
            return self._look_up(socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass  # a name, not an address
        if self._pending is None or self._pending.done():
            self._pending = in_thread(self._look_up, f"resolve {self.host}")
        try:
            return await asyncio.shield(self._pending)
        except socket.gaierror as error:
            raise _resolver_fault(self.host, error) from None

    def _look_up(self, flags: int = 0) -> list[Address]:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=flags)
        return [Address(family, where) for family, _, _, _, where in found]  # type: ignore[arg-type]


async def connect(resolver: Resolver, visit: Visit) -> socket.socket:
    """A connected, non-blocking socket; the caller closes it.

    Raises:
        Fault: no address took the connection; every address is named with its reason.
        TimeoutError: the time-out of the look is over.
    """
    visit.enter("resolve")
    addresses = await resolver.addresses()
    visit.enter("connect")
    failed: dict[Address, Fault] = {}
    for position, address in enumerate(addresses):
        share_s = visit.left_s() / (len(addresses) - position)
        try:
            return await _connect_one(address, share_s)
        except Fault as fault:
            failed[address] = fault
    raise _all_failed(failed)


async def _connect_one(address: Address, timeout_s: float) -> socket.socket:
    try:
        plug = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        raise _connect_fault(error) from None
    try:
        plug.setblocking(False)
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(plug, address.where)
    except TimeoutError:
        plug.close()
        raise Fault(f"no answer to the connection attempt within {timeout_s:.3g} s") from None
    except OSError as error:
        plug.close()
        raise _connect_fault(error) from None
    except BaseException:
        plug.close()
        raise
    return plug


def _connect_fault(error: OSError) -> Fault:
    number = error.errno or 0
    if number in _OUR_FAULT:
        return Fault(_OUR_FAULT[number], ok=None, fix="raise that limit, or lift that rule, for the sidecar")
    return Fault(_DOORS_FAULT.get(number, os.strerror(number).lower()))


def _all_failed(failed: dict[Address, Fault]) -> Fault:
    """One word for all addresses when all say the same, else each address with its own."""
    faults = list(failed.values())
    blind = [fault for fault in faults if fault.ok is None]
    judged = [fault for fault in faults if fault.ok is False]
    words = list(dict.fromkeys(fault.reason for fault in faults))
    if len(words) == 1:
        reason = f"{words[0]} ({', '.join(map(str, failed))})"
    else:
        reason = "; ".join(f"{address}: {fault.reason}" for address, fault in failed.items())
    # An address that we cannot try at all (no IPv6 here) does not excuse those that we tried.
    return Fault(reason) if judged or not blind else Fault(reason, ok=None, fix=blind[0].fix)


def _resolver_fault(host: str, error: socket.gaierror) -> Fault:
    if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return Fault(f"name unknown: {host}")
    fix = "check the resolver of the host on which the sidecar runs"
    return Fault(f"the resolver could not look up {host}: {error.strerror}", ok=None, fix=fix)
