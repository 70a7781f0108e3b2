"""The first two layers: from a name to its addresses, and to a TCP connection with one of them."""

import asyncio
import errno
import os
import socket
from typing import Final

from diagmesh.adapters.natsdoor.shut import Shut
from diagmesh.adapters.web.connect import Address, Resolver
from diagmesh.adapters.web.visit import Fault, Visit
from diagmesh.contract.answers.connection import AddressLook, DoorVerdict

__all__ = ["addresses_of", "reach"]

_MOST_ADDRESSES: Final = 8
_UNREACHABLE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})
_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.EACCES, errno.EPERM})
_GRAVITY: Final = (DoorVerdict.UNANSWERED, DoorVerdict.REFUSED, DoorVerdict.UNREACHABLE, DoorVerdict.BLIND)
_FIXES: Final = {
    DoorVerdict.UNANSWERED: "see what filters the way there: a firewall, a network policy, a security group",
    DoorVerdict.REFUSED: "see whether nats-server runs there, and whether the port in the URL is its client port",
    DoorVerdict.UNREACHABLE: "see the routes of this host: ip route get ADDRESS",
    DoorVerdict.BLIND: "raise that limit, or lift that rule, for the sidecar",
}


async def addresses_of(resolver: Resolver, visit: Visit) -> list[Address]:
    """What the name stands for.

    Raises:
        Shut: it is unknown, or nobody could tell.
        TimeoutError: the resolver took too long.
    """
    visit.enter("resolve")
    try:
        found = await resolver.addresses()
    except Fault as fault:
        if fault.ok is False:
            fix = "correct the host in the URL, or add the name to the DNS"
            raise Shut(DoorVerdict.NAME_UNKNOWN, fault.reason, fix) from None
        raise Shut(DoorVerdict.RESOLVER_FAILS, fault.reason, "see /etc/resolv.conf and the DNS server in it") from None
    return found[:_MOST_ADDRESSES]


async def reach(addresses: list[Address], visit: Visit, looks: list[AddressLook]) -> socket.socket:
    """A connected socket, which the caller closes; ``looks`` gets what came of each address.

    Raises:
        Shut: no address took the connection.
        TimeoutError: there is no time left.
    """
    visit.enter("connect")
    verdicts: list[DoorVerdict] = []
    for position, address in enumerate(addresses):
        started = visit.took_ms()
        verdict, plug = await _try(address, visit.left_s() / (len(addresses) - position))
        took_ms = round(visit.took_ms() - started, 3)
        if isinstance(plug, socket.socket):
            looks.append(AddressLook(address=str(address), took_ms=took_ms))
            looks += [AddressLook(address=str(other)) for other in addresses[position + 1 :]]
            return plug
        verdicts.append(verdict)
        looks.append(AddressLook(address=str(address), reason=plug, took_ms=took_ms))
    worst = min(verdicts, key=_GRAVITY.index)
    reasons = "; ".join(dict.fromkeys(look.reason for look in looks))
    raise Shut(worst, f"{reasons} ({', '.join(look.address for look in looks)})", _FIXES[worst])


async def _try(address: Address, timeout_s: float) -> tuple[DoorVerdict, socket.socket | str]:
    plug = None
    try:
        plug = socket.socket(address.family, socket.SOCK_STREAM)
        plug.setblocking(False)
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(plug, address.where)
    except TimeoutError as error:
        _close(plug)
        if error.errno == errno.ETIMEDOUT:
            timeout_s = 0.0
        within = f" within {timeout_s:.3g} s" if timeout_s else ""
        return DoorVerdict.UNANSWERED, f"no answer to the connection attempt{within}"
    except OSError as error:
        _close(plug)
        number = error.errno or 0
        if number in _OURS:
            return DoorVerdict.BLIND, f"cannot connect from here: {os.strerror(number).lower()}"
        if number in _UNREACHABLE:
            return DoorVerdict.UNREACHABLE, os.strerror(number).lower()
        words = "connection refused: nothing listens" if number == errno.ECONNREFUSED else os.strerror(number).lower()
        return DoorVerdict.REFUSED, words
    except BaseException:
        _close(plug)
        raise
    return DoorVerdict.OPEN, plug


def _close(plug: socket.socket | None) -> None:
    if plug is not None:
        plug.close()
