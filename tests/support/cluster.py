"""Three servers in a cluster and a site behind a leafnode, configured by the blocks of deploy/nats/CLUSTER.md."""

import http.client
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from diagmesh import keys
from diagmesh.client import Mesh
from diagmesh.client.connecting import Connecting
from diagmesh_cli.local import initial
from diagmesh_cli.local.issued import SERVER_FILE, Issued
from support.house import ROOT
from support.natsserver import NatsServer
from support.ports import free_port
from support.programs import Program
from support.smallmesh import HEARTBEAT_S

__all__ = ["NODES", "SITE", "Cluster", "block"]

NODES: Final = ("n1", "n2", "n3")
SITE: Final = "site-edge"
_PAGE: Final = ROOT / "deploy" / "nats" / "CLUSTER.md"
_SERVICES: Final = ("orders", "payments", "edge", "depot")
_QUICK: Final = (('ping_interval: "20s"', 'ping_interval: "2s"'),)
_ADDRESS: Final = re.compile(r"10\.0\.\d\.\d:\d+")


def block(name: str) -> str:
    """A configuration block of the page."""
    text = _PAGE.read_text(encoding="utf-8")
    begin = text.index(f"```nats {name}\n") + len(f"```nats {name}\n")
    return text[begin : text.index("```", begin)]


class Cluster:
    """Use it as a context manager; everything it started is ended with it.

    Args:
        directory: an empty folder for keys, settings and logs.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.nodes: dict[str, NatsServer] = {}
        self.sidecars: dict[str, Program] = {}
        self._begin: dict[str, Callable[[], Program]] = {}
        self._stack = ExitStack()
        self._ports: dict[str, int] = {}
        self._sleeper = 0
        self._issue("mesh", _SERVICES)

    # --- servers

    def __enter__(self) -> Self:
        keys_of = {name: keys.generate() for name in (SITE, "site-depot")}
        for name, key in keys_of.items():
            keys.write_seed(self.directory / f"{name}.nk", key)
        right = block("user").replace("UPUBLICKEYOFTHELEAFNODE", keys_of[SITE].public)
        # As one would write it who does not know that answers do not cross the link.
        wrong = block("user").replace("UPUBLICKEYOFTHELEAFNODE", keys_of["site-depot"].public).replace("edge", "depot")
        wrong = re.sub(r', "_INBOX\.>".*\]', "]", wrong)
        wrong = wrong.replace("}\n} }", '}\nallow_responses: { max: 64, expires: "3m" }\n} }')
        assert "_INBOX" not in wrong
        for number, name in enumerate(NODES, 1):
            text = block("cluster").replace("server_name: n1", f"server_name: {name}")
            text = text.replace('listen: "10.0.0.1:', f'listen: "10.0.0.{number}:')
            self.nodes[name] = self._server(name, "mesh", text, f"10.0.0.{number}:4222", (right, wrong))
        for node in self.nodes.values():
            node.start()
        self._sleeper = self._program(["python", "-c", "import time; time.sleep(3600)"], "watched").pid
        return self

    def site(self, name: str, service: str) -> NatsServer:
        """A site behind a leafnode, with keys and accounts of its own."""
        self._issue(name, (service,))
        text = block("leaf").replace(SITE, name)
        seed = {"DIAGMESH_LEAF_SEED": (self.directory / f"{name}.nk").read_text(encoding="ascii").strip()}
        address = "10.0.1.1:4222" if name == SITE else "10.0.1.2:4222"
        self.nodes[name] = self._server(name, name, text.replace("10.0.1.1:4222", address), address, (), seed)
        return self.nodes[name].start()

    def _server(
        self,
        name: str,
        issued: str,
        text: str,
        address: str,
        users: tuple[str, ...],
        environment: dict[str, str] | None = None,
    ) -> NatsServer:
        accounts = (self.directory / issued / SERVER_FILE).read_text(encoding="utf-8")
        for slow, quick in _QUICK:
            assert slow in accounts
            accounts = accounts.replace(slow, quick)
        for user in users:
            account, mark = accounts.index("  DIAG: {"), "users: [\n"
            at = accounts.index(mark, account) + len(mark)
            accounts = f"{accounts[:at]}{user}{accounts[at:]}"
        directory = self.directory / f"server-{name}"
        directory.mkdir()
        (directory / "nats-server.conf").write_text(accounts, encoding="utf-8")
        config = _ADDRESS.sub(lambda found: f"127.0.0.1:{self._port(found[0])}", text)
        more = 'lame_duck_grace_period: "10s"\nlame_duck_duration: "30s"\n'
        server = NatsServer(directory, config=config + more, name=name, monitoring=True, environment=environment)
        server.port = self._port(address)
        self._stack.callback(server.close)
        return server

    def _port(self, address: str) -> int:
        return self._ports.setdefault(address, free_port())

    # --- who is in the mesh

    def sidecar(self, service: str, instance: str, node: str, *, issued: str = "mesh") -> Program:
        """A sidecar that begins on one node and learns of the others there."""
        name = f"{service}/{instance}"
        settings = self.directory / f"sidecar-{service}-{instance}.toml"
        settings.write_text(
            f"""heartbeat_s = {HEARTBEAT_S}
            [nats]
            url = "{self.nodes[node].url}"
            nkey_file = "{self.directory / issued / "keys" / f"agent-{service}.nk"}"
            inbox_prefix = "_INBOX_agent_{service}"
            [[targets]]
            service = "{service}"
            instance = "{instance}"
            pid = {self._sleeper}
            sample_s = 5
            """,
            encoding="utf-8",
        )
        self.sidecars[name] = self._program(["python", "-m", "diagmesh_agents", "--config", settings], settings.stem)
        self._begin[name] = lambda: self.sidecar(service, instance, node, issued=issued)
        return self.sidecars[name]

    def coordinator(self, node: str) -> Program:
        """A coordinator that begins on one node."""
        key = self.directory / "mesh" / "keys" / "coordinator.nk"
        flags: list[str | Path] = ["--nats", self.nodes[node].url, "--nkey-file", key]
        flags += ["--inbox-prefix", "_INBOX_coord", "--instance", "c1", "--heartbeat", str(HEARTBEAT_S)]
        name = "mesh/c1"
        self.sidecars[name] = self._program(["python", "-m", "diagmesh_coordinator", *flags], "coordinator")
        self._begin[name] = lambda: self.coordinator(node)
        return self.sidecars[name]

    def on(self, node: str) -> frozenset[str]:
        """The names of the connections to one server, and of the sites that are linked to it."""
        names = [one.get("name", "") for one in self._told(node, "/connz")["connections"]]
        return frozenset((*names, *(one["name"] for one in self._told(node, "/leafz").get("leafs") or ())))

    def _told(self, node: str, path: str) -> dict[str, Any]:
        server = self.nodes[node]
        asking = http.client.HTTPConnection(server.host, server.monitor_port, timeout=10)
        try:
            asking.request("GET", path)
            return msgspec.json.decode(asking.getresponse().read(), type=dict[str, Any])
        finally:
            asking.close()

    def again(self, name: str) -> None:
        """End a sidecar or the coordinator in good order and start it where it began."""
        self.sidecars[name].thaw()
        self.sidecars[name].stop()
        self._begin[name]()

    def ask(self, node: str, issued: str = "mesh") -> Connecting[Mesh]:
        """A reader who begins on one node."""
        key = self.directory / issued / "keys" / "reader.nk"
        return Mesh.connect(url=self.nodes[node].url, nkey_file=str(key))

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _issue(self, name: str, services: tuple[str, ...]) -> None:
        initial.create(self.directory / name, Issued(layout="simple", services=services, url="nats://127.0.0.1"))

    def _program(self, command: list[str | Path], name: str) -> Program:
        return self._stack.enter_context(Program(command, self.directory / f"{name}.log"))
