"""ROUTEZ: the routes of a server to the others of its cluster."""

from datetime import datetime

from diagmesh.adapters.natsmon.door import Part

__all__ = ["Route", "Routez"]


class Route(Part, frozen=True, kw_only=True, gc=False):
    """One connection to a peer; there are several to each (a pool, and one for the system account)."""

    rid: int = 0
    remote_id: str = ""
    remote_name: str = ""
    did_solicit: bool = False
    is_configured: bool = False
    ip: str = ""
    port: int = 0
    start: datetime | None = None
    rtt: str = ""
    uptime: str = ""
    idle: str = ""
    pending_size: int = 0
    in_msgs: int = 0
    out_msgs: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    subscriptions: int = 0
    account: str = ""
    compression: str = ""


class Routez(Part, frozen=True, kw_only=True, gc=False):
    """The routes of a server.

    Source: ``Routez`` in server/monitor.go of nats-server.
    """

    server_id: str = ""
    server_name: str = ""
    now: datetime | None = None
    num_routes: int = 0
    routes: tuple[Route, ...] = ()
