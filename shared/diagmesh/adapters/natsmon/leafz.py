"""LEAFZ: the leafnode connections of a server."""

from datetime import datetime

from msgspec import field

from diagmesh.adapters.natsmon.door import Part

__all__ = ["LeafConnection", "Leafz"]


class LeafConnection(Part, frozen=True, kw_only=True, gc=False):
    """One leafnode connection; ``is_spoke`` when this server is the leaf, ``subs`` by request."""

    id: int = 0
    name: str = ""
    is_spoke: bool = False
    account: str = ""
    ip: str = ""
    port: int = 0
    rtt: str = ""
    in_msgs: int = 0
    out_msgs: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    subscriptions: int = 0
    subs: tuple[str, ...] = field(default=(), name="subscriptions_list")
    compression: str = ""


class Leafz(Part, frozen=True, kw_only=True, gc=False):
    """The leafnode connections of a server.

    Source: ``Leafz`` in server/monitor.go of nats-server.
    """

    server_id: str = ""
    now: datetime | None = None
    leafnodes: int = 0
    leafs: tuple[LeafConnection, ...] = ()
