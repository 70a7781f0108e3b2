"""Events of the system account: who connects, who goes and why, and a server in lame duck mode."""

from datetime import datetime

from diagmesh.adapters.natsmon.accstatz import Flow
from diagmesh.adapters.natsmon.door import Part, ServerHead

__all__ = ["ClientEvent", "EventClient"]


class EventClient(Part, frozen=True, kw_only=True, gc=False):
    """A client in an event; ``rtt`` in nanoseconds.

    Source: ``ClientInfo`` in server/events.go of nats-server.
    """

    id: int = 0
    acc: str = ""
    user: str = ""
    name: str = ""
    lang: str = ""
    ver: str = ""
    host: str = ""
    kind: str = ""
    client_type: str = ""
    rtt: int = 0
    start: datetime | None = None
    stop: datetime | None = None


class ClientEvent(Part, frozen=True, kw_only=True, gc=False):
    """``$SYS.ACCOUNT.*.CONNECT|DISCONNECT`` and ``$SYS.SERVER.*.CLIENT.AUTH.ERR``; the last two have a ``reason``.

    A server in lame duck mode publishes a bare `ServerHead` instead.
    """

    type: str = ""
    timestamp: datetime | None = None
    server: ServerHead = ServerHead()
    client: EventClient = EventClient()
    sent: Flow = Flow()
    received: Flow = Flow()
    reason: str = ""
