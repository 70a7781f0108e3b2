"""GATEWAYZ: the gateways of a server to other clusters."""

from datetime import datetime

from diagmesh.adapters.natsmon.connz import Connection
from diagmesh.adapters.natsmon.door import Part

__all__ = ["GatewayConnection", "Gatewayz"]


class GatewayConnection(Part, frozen=True, kw_only=True, gc=False):
    """One gateway connection; ``configured`` when the settings name it, not only gossip."""

    configured: bool = False
    connection: Connection | None = None


class Gatewayz(Part, frozen=True, kw_only=True, gc=False):
    """The gateways of a server, by the name of the remote cluster.

    Source: ``Gatewayz`` in server/monitor.go of nats-server.
    """

    server_id: str = ""
    now: datetime | None = None
    name: str = ""
    host: str = ""
    port: int = 0
    outbound_gateways: dict[str, GatewayConnection] = {}
    inbound_gateways: dict[str, tuple[GatewayConnection, ...]] = {}
