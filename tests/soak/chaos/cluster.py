"""What is soaked: three NATS servers, services with their sidecars, two coordinators; all real processes."""

import asyncio
import http.client
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from diagmesh_cli.local import initial
from diagmesh_cli.local.issued import SERVER_FILE, Issued
from soak.chaos.records import server_name
from support.natsserver import NatsServer
from support.ports import free_port
from support.programs import Program

__all__ = ["COORDINATORS", "HEARTBEAT_S", "NODES", "SERVICES", "Cluster", "Standing", "names"]

HEARTBEAT_S: Final = 1.0
SERVICES: Final = {"orders": 3, "payments": 2, "stock": 2, "users": 2}
COORDINATORS: Final = ("mesh/c1", "mesh/c2")
NODES: Final = ("n1", "n2", "n3")
_LOOK_S: Final = 1.0


def names() -> tuple[str, ...]:
    """Every instance, ``service/instance``."""
    return tuple(f"{service}/i{number}" for service, count in SERVICES.items() for number in range(1, count + 1))


class Standing(msgspec.Struct, frozen=True):
    """One connection, as its server lists it."""

    node: str
    subjects: tuple[str, ...]


class _Connection(msgspec.Struct):
    name: str = ""
    subscriptions_list: tuple[str, ...] = ()


class _Connections(msgspec.Struct):
    connections: tuple[_Connection, ...] = ()


class _Route(msgspec.Struct):
    remote_name: str = ""


class _Routes(msgspec.Struct):
    routes: tuple[_Route, ...] = ()


class Cluster:
    """Use it as a context manager; whatever it started is ended with it, frozen or not.

    Args:
        folder: an empty folder for keys, settings and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mesh = folder / "mesh"
        issued = Issued(layout="simple", services=tuple(SERVICES), url="nats://127.0.0.1:4222")
        self.issued = initial.create(self._mesh, issued)
        self.servers: dict[str, NatsServer] = {}
        self.programs: dict[str, Program] = {}
        self._watched: dict[str, Program] = {}
        self._stack = ExitStack()
        self._threads = ThreadPoolExecutor(len(NODES), "look")

    def urls(self, first: int = 0) -> str:
        """All servers, beginning with one of them: so that the connections spread."""
        nodes = [self.servers[node].url for node in NODES]
        turn = first % len(nodes)
        return ",".join(nodes[turn:] + nodes[:turn])

    def key_file(self, role: str) -> Path:
        """The seed of a role."""
        return self._mesh / "keys" / f"{role}.nk"

    # --- starting and ending

    def __enter__(self) -> Self:
        try:
            self._start_servers()
            for position, name in enumerate((*names(), *COORDINATORS)):
                self._settings(name, position)
                self.start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs.values():
            self._stack.callback(program.kill)
        self._stack.close()
        self._threads.shutdown()

    def start(self, name: str) -> Program:
        """Start a sidecar or coordinator, for the first time or again."""
        module = "diagmesh_coordinator" if name in COORDINATORS else "diagmesh_agents"
        label = name.replace("/", "-")
        command: list[str | Path] = ["python", "-m", "soak.chaos.counted", self.tasks_file(name), module, "--config"]
        program = Program(
            [*command, self.folder / f"{label}.toml"],
            self.folder / f"{label}.log",
            {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self.programs[name] = program
        return program

    def tasks_file(self, name: str) -> Path:
        """Where its number of tasks is told."""
        return self.folder / f"{name.replace('/', '-')}.tasks"

    def _start_servers(self) -> None:
        ports = {node: free_port() for node in NODES}
        routes = [f"nats://127.0.0.1:{port}" for port in ports.values()]
        for node in NODES:
            directory = self.folder / node
            directory.mkdir()
            text = f"""include '../mesh/{SERVER_FILE}'
            lame_duck_duration: "30s"
            lame_duck_grace_period: "1s"
            cluster {{ name: soak, listen: "127.0.0.1:{ports[node]}", routes: {msgspec.json.encode(routes).decode()} }}
            """
            server = NatsServer(directory, config=text, jetstream=True, monitoring=True, name=node)
            self.servers[node] = server
            self._stack.callback(server.close)
            server.start()

    def _settings(self, name: str, position: int) -> None:
        service, instance = name.split("/")
        role = "coordinator" if service == "mesh" else f"agent-{service}"
        inbox = next(one.inbox for one in self.issued.roles if one.name == role)
        nats = f"""[nats]
        url = "{self.urls(position)}"
        nkey_file = "{self.key_file(role)}"
        inbox_prefix = "{inbox}"
        """
        if service == "mesh":
            text = f'instance = "{instance}"\nheartbeat_s = {HEARTBEAT_S}\nforget_after_s = 86400\n{nats}'
        else:
            watched = self._watched[name] = Program(["sleep", "86400"], self.folder / "watched.log")
            self._stack.callback(watched.kill)
            text = f"""heartbeat_s = {HEARTBEAT_S}
            {nats}
            [[targets]]
            service = "{service}"
            instance = "{instance}"
            pid = {watched.pid}
            sample_s = 1.0
            """
        (self.folder / f"{name.replace('/', '-')}.toml").write_text(text)

    # --- looking

    async def standing(self) -> dict[str, Standing]:
        """Who is connected where and has which subscriptions, as the servers that answer tell; by connection name."""
        told = await asyncio.gather(*(self._ask(node, "/connz?subs=1&limit=1024", _Connections) for node in NODES))
        return {
            one.name.removeprefix("diag/"): Standing(node, one.subscriptions_list)
            for node, page in zip(NODES, told, strict=True)
            for one in (page.connections if page else ())
        }

    async def joined(self, node: str) -> bool:
        """Whether a server has its routes to both others."""
        page = await self._ask(node, "/routez", _Routes)
        return page is not None and {one.remote_name for one in page.routes} >= set(NODES) - {node}

    async def back(self, hit: Iterable[str], not_at: str = "") -> set[str]:
        """Who of these is connected and subscribed (an asker: connected; a server: with its routes).

        Args:
            hit: connection names, or servers.
            not_at: a node that does not count.
        """
        standing = await self.standing()
        found = set()
        for name in hit:
            node = name.removeprefix(server_name(""))
            if node != name:
                if node != not_at and await self.joined(node):
                    found.add(name)
            elif name in standing and standing[name].node != not_at and _answers(name, standing[name].subjects):
                found.add(name)
        return found

    async def _ask(self, node: str, path: str, kind: type[Any]) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _fetch, self.servers[node].monitor_port, path, kind)


def _answers(name: str, subjects: tuple[str, ...]) -> bool:
    service, slash, instance = name.partition("/")
    return not slash or f"diag.{service}.*.{instance}" in subjects


def _fetch(port: int, path: str, kind: type[Any]) -> Any:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=_LOOK_S)
    try:
        asking.request("GET", path)
        return msgspec.json.decode(asking.getresponse().read(), type=kind)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None  # it is down or frozen just now
    finally:
        asking.close()
