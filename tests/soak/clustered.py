"""Three servers in a cluster with JetStream, the Go demo under load on them, and the mesh beside both: healthy."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from diagmesh.settings import CoordinatorSettings, RuleSettings
from diagmesh_cli.local.roles import server_config
from diagmesh_cli.local.settings_file import toml_of
from faults.mesh import BASE, SHOP, DemoMesh
from soak.watch import Told, soak
from support.natsserver import NatsServer
from support.ports import free_port
from support.smallmesh import SERVER_NAME

__all__ = ["KINDS", "ClusterMesh", "run_cluster"]

KINDS: Final = ("health", "resources", "runtime", "connection", "streams", "server")
"""What is asked beside the checks."""

_NODES: Final = (SERVER_NAME, "n2", "n3")


class ClusterMesh(DemoMesh):
    """Use it as a context manager, then `start`.

    Args:
        directory: an empty folder.
        programs: the built Go demo.
    """

    def __init__(self, directory: Path, programs: Path) -> None:
        ports = {name: free_port() for name in _NODES}
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports.values())

        def block(name: str) -> str:
            folder = directory / f"server-{name}"
            folder.mkdir(parents=True)
            cluster = f'cluster {{ name: hub, listen: "127.0.0.1:{ports[name]}", routes: [{routes}] }}'
            return f'jetstream {{ store_dir: "{folder}" }}\n{cluster}\n'

        super().__init__(directory, programs, block(_NODES[0]))
        self.observed = frozenset(instance for _, instance in BASE)
        self.nodes = [self.server]
        roles = server_config(self.ring, self.services, -1).decode()
        for name in _NODES[1:]:
            text = f"{roles}\n{block(name)}"
            server = NatsServer(directory / f"server-{name}", config=text, monitoring=True, name=name)
            self.nodes.append(server)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            super().__enter__()
            stack.callback(self._stack.close)
            for one in self.nodes[1:]:
                self._stack.enter_context(one)
            stack.pop_all()
        return self

    @property
    def demo_url(self) -> str:
        """All of them: each client takes one."""
        return ",".join(one.url for one in self.nodes)

    def watch_servers(self) -> None:
        """A sidecar beside all three."""
        targets = (
            f"""
            [[targets]]
            service = "{SHOP}"
            instance = "n{number}"
            pid = {one.pid}
            [targets.nats]
            url = "{one.url}"
            nkey_file = "{self.ring.seed_file("observer")}"
            inbox_prefix = "_INBOX_observer"
            [targets.nats_server]
            monitor = "{one.monitor_url}"
            """
            for number, one in enumerate(self.nodes, 1)
        )
        self.attend("n1", "".join(targets))


def run_cluster(folder: Path, seconds: float, programs: Path, *rules: RuleSettings) -> Told:
    """One soak in an empty folder, judged by these settings, which the sidecars have as well."""
    with ClusterMesh(folder, programs) as cluster:
        cluster.beside_judging = toml_of(CoordinatorSettings(rules=rules), brief=True)
        cluster.start(rules)
        cluster.watch_servers()
        pids = {"coordinator": cluster.judge.pid}
        return asyncio.run(soak(cluster.url, pids, seconds, lambda line: print("cluster", line, flush=True), KINDS))
