"""STATSZ: the load of a server, asked for or broadcast every ten seconds in the system account."""

from datetime import datetime

from diagmesh.adapters.natsmon.accstatz import Flow
from diagmesh.adapters.natsmon.door import Part
from diagmesh.adapters.natsmon.varz import JetStream

__all__ = ["Statsz"]


class Statsz(Part, frozen=True, kw_only=True, gc=False):
    """The load of a server; ``cpu`` in percent of one core, ``mem`` in bytes.

    Source: ``ServerStats`` in server/events.go of nats-server.
    """

    start: datetime | None = None
    mem: int = 0
    cores: int = 0
    gomaxprocs: int = 0
    gomemlimit: int = 0
    cpu: float = 0.0
    connections: int = 0
    total_connections: int = 0
    active_accounts: int = 0
    subscriptions: int = 0
    sent: Flow = Flow()
    received: Flow = Flow()
    slow_consumers: int = 0
    stale_connections: int | None = None
    stalled_clients: int | None = None
    active_servers: int = 0
    jetstream: JetStream = JetStream()
