"""A trace event: what one server says that it would do with a message."""

from datetime import datetime
from typing import Final

from diagmesh.adapters.natsmon import BadReply, ServerHead, plain
from diagmesh.adapters.natsmon.door import Part

__all__ = ["MOST_BYTES", "Event", "Told", "event_of", "hop_of"]

MOST_BYTES: Final = 8 << 20
"""Of one event; a server with thousands of subscriptions to one subject tells them all in one."""
_HOP: Final = "nats-trace-hop"


class Event(Part, frozen=True, kw_only=True, gc=False):
    """One thing that happened to the message; which fields there are depends on ``type``.

    Source: the structs around ``MsgTraceBase`` in server/msgtrace.go of nats-server.
    """

    type: str = ""
    ts: datetime | None = None
    kind: int = 0
    cid: int = 0
    name: str = ""
    acc: str = ""
    subj: str = ""
    subject: str = ""
    to: str = ""
    stream: str = ""
    sub: str = ""
    queue: str = ""
    hop: str = ""
    nointerest: bool = False
    error: str = ""


class _Request(Part, frozen=True, kw_only=True, gc=False):
    header: dict[str, tuple[str, ...]] = {}
    msgsize: int = 0


class Told(Part, frozen=True, kw_only=True, gc=False):
    """What one server tells.

    Args:
        server: who.
        request: as it came to that server.
        hops: to how many further servers it was sent, which tell for themselves.
        events: in the order in which they happened; the first is how it came in.
    """

    server: ServerHead = ServerHead()
    request: _Request = _Request()
    hops: int = 0
    events: tuple[Event, ...] = ()


def event_of(data: bytes) -> Told:
    """The event in a message that came to ``Nats-Trace-Dest``.

    Raises:
        BadReply: it is none (`diagmesh.adapters.natsmon`), or it is far too large.
    """
    if len(data) > MOST_BYTES:
        raise BadReply(f"a trace event of {len(data):,} bytes; more than {MOST_BYTES:,} are not read")
    return plain(data, Told)


def hop_of(told: Told) -> str:
    """Where on the path its server is; empty for the first one."""
    for name, values in told.request.header.items():
        if name.lower() == _HOP and values:
            return values[0]
    return ""
