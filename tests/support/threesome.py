"""Three nats-servers of one cluster, with an account for a mesh and a user of the system account that may only ask."""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

from diagmesh import keys
from diagmesh.adapters.natsmon.account import SUBJECTS
from diagmesh.settings import NatsServerSettings, NatsSettings
from support.natsserver import NatsServer
from support.ports import free_port

__all__ = ["NODES", "Threesome"]

NODES: Final = ("n1", "n2", "n3")
INBOX: Final = "_INBOX_monitor"


class Threesome:
    """Use it as a context manager: the servers run then. Clients without credentials are in the account of the mesh."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        key = keys.generate()
        self.seed_file = directory / "monitor.nk"
        keys.write_seed(self.seed_file, key)
        publish = ", ".join(f'"{subject}"' for subject in SUBJECTS)
        text = f"""
        accounts {{
          SYS {{ users = [ {{ nkey: {key.public}, permissions: {{
            publish: [{publish}]
            subscribe: ["{INBOX}.>"] }} }} ] }}
          APP {{ users = [ {{ user: app, password: pw }} ], jetstream: enabled }}
          DIAG {{ users = [ {{ user: mesh, password: pw }} ] }}
        }}
        system_account: SYS
        no_auth_user: mesh
        """
        ports = {name: free_port() for name in NODES}
        self.nodes = {}
        for name, port in ports.items():
            routes = ", ".join(f"nats://127.0.0.1:{other}" for peer, other in ports.items() if peer != name)
            block = f'cluster {{ name: hub, listen: "127.0.0.1:{port}", routes: [{routes}] }}\n'
            home = directory / name
            home.mkdir()
            self.nodes[name] = NatsServer(home, config=text + block, name=name, jetstream=True, monitoring=True)

    def system(self, through: str, name: str = "") -> NatsServerSettings:
        """The way to the server ``name`` by the system account, connected to another one of them."""
        at = self.nodes[through].url
        return NatsServerSettings(
            system=NatsSettings(url=at, nkey_file=str(self.seed_file), inbox_prefix=INBOX), name=name
        )

    def __enter__(self) -> Self:
        for node in self.nodes.values():
            node.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for node in self.nodes.values():
            node.close()
