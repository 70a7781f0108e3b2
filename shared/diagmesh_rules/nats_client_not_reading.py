"""nats-client-not-reading: messages pile up before a connection of the service, because it does not read them."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection, Link
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["NotReadingLimits", "nats_client_not_reading"]


class NotReadingLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may wait.

    Args:
        unread_bytes: that the kernel may hold for the process.
        pending_bytes: that the server may hold for it beyond that.
    """

    unread_bytes: int = 65_536
    pending_bytes: int = 65_536


@rule(
    "NATS-011",
    "Client does not read",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Connection,),
    limits=NotReadingLimits(),
)
def nats_client_not_reading(seen: Evidence, limits: NotReadingLimits) -> Iterator[Hit | Unjudged]:
    """The service reads what arrives on its connections."""
    for where, answer in seen.each(Connection):
        if answer.links is None:
            yield Unjudged(where=where, why="the sockets of the process could not be read")
            continue
        told = answer.ended is not None  # a connection that no server knows any more has been cut off already
        slow = [link for link in answer.links if (link.seen or not told) and _piled_up(link, limits)]
        if slow:
            yield Hit(
                where=where, title=_title(slow[0]), evidence=tuple(f for link in slow for f in _facts(link, limits))
            )


def _piled_up(link: Link, limits: NotReadingLimits) -> bool:
    """Both queues: a full kernel queue alone is a burst, and pending bytes alone may be the network."""
    if link.state != "ESTABLISHED" or (link.seen is not None and link.seen.stalls_per_s):
        return False  # it has been cut off (NATS-010), or holds others up already (NATS-012)
    held = link.seen.pending_bytes if link.seen is not None else limits.pending_bytes
    return link.receive_queue_bytes >= limits.unread_bytes and held >= limits.pending_bytes


def _title(link: Link) -> str:
    name = f" ({link.seen.name})" if link.seen is not None and link.seen.name else ""
    subject = link.seen.subs[0].subject if link.seen is not None and link.seen.subs else ""
    busiest = f"; its busiest subject is {subject}" if subject else ""
    return f"{link.receive_queue_bytes:,} bytes unread on the connection to {link.remote}{name}{busiest}"


def _facts(link: Link, limits: NotReadingLimits) -> Iterator[Fact]:
    unread = link.receive_queue_bytes
    yield Fact(what="unread in the kernel", value=unread, unit="bytes", limit=limits.unread_bytes, at=link.local)
    if link.seen is None:
        return
    held = link.seen.pending_bytes
    yield Fact(what="held by the server", value=held, unit="bytes", limit=limits.pending_bytes, at=link.seen.server)
    for sub in link.seen.subs[:3]:
        yield Fact(what=f"delivered on {sub.subject}", value=sub.msgs, unit="messages", at=link.seen.server)
