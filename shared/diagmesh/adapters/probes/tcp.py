"""TCP: does the port take a connection, and how long does each step take."""

from diagmesh.adapters.probes.door import Door
from diagmesh.adapters.probes.given import host_and_port
from diagmesh.adapters.web.connect import Resolver, connect
from diagmesh.adapters.web.visit import Visit
from diagmesh.settings import ProbeSettings

__all__ = ["TcpDoor"]


class TcpDoor(Door):
    """``host:port`` that must take a connection.

    The kernel takes connections on behalf of a process that hangs, so a pass says that something listens, no more.

    Raises:
        SettingsError: ``tcp`` is not of the form ``host:port``.
    """

    def __init__(self, settings: ProbeSettings, where: str) -> None:
        host, port = host_and_port(settings.tcp, f"{where}.tcp")
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        super().__init__("tcp", shown, settings)
        self._resolver = Resolver(host, port)

    async def _knock(self, visit: Visit) -> None:
        (await connect(self._resolver, visit)).close()
