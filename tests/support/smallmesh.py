"""A whole small mesh of real processes: server with all roles, watched processes, their sidecars, a coordinator."""

import http.client
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from diagmesh_cli.local.roles import Keyring, make_keyring, server_config
from support.natsserver import NatsServer
from support.programs import Program, wait_until

__all__ = ["HEARTBEAT_S", "SERVER_NAME", "SmallMesh"]

HEARTBEAT_S: Final = 0.5
SERVER_NAME: Final = "small-mesh"
_START_S: Final = 30.0
_SLEEPER: Final = "import time\nwhile True: time.sleep(3600)"


class _Connection(msgspec.Struct):
    cid: int = 0
    name: str = ""
    subscriptions_list: tuple[str, ...] = ()


class _Connections(msgspec.Struct):
    connections: tuple[_Connection, ...] = ()


class SmallMesh:
    """Use it as a context manager; everything it started is ended with it.

    Args:
        directory: an empty folder for keys, settings and logs.
        services: names of the services that may take part; each has a key of its own.
        more_server: further configuration of the server.
    """

    def __init__(
        self, directory: Path, services: tuple[str, ...] = ("orders", "payments"), more_server: str = ""
    ) -> None:
        self.directory = directory
        self.ring: Keyring = make_keyring(directory, services)
        config = f"{server_config(self.ring, services, -1).decode()}\n{more_server}\n"
        self.server = NatsServer(directory, config=config, monitoring=True, name=SERVER_NAME)
        self.watched: dict[str, Program] = {}
        self.sidecars: dict[str, Program] = {}
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """Where an anonymous client is the read-only role."""
        return self.server.url

    def sidecar(
        self,
        service: str,
        instance: str,
        *,
        twin: bool = False,
        url: str = "",
        environment: Mapping[str, str] | None = None,
        more: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Program:
        """A sidecar beside a process that does nothing; returns when the server knows its subscriptions.

        Args:
            service: beside which service.
            instance: under which name.
            twin: it is a second one under a name that another sidecar of this mesh has, and that keeps its place here.
            url: where it reaches the server, if not directly.
            environment: laid over ours.
            more: further settings of the sidecar itself, one per line, which win over ours.
            labels: of the instance.
        """
        name = f"{service}/{instance}"
        if name not in self.watched:
            self.watched[name] = self.program(["python", "-c", _SLEEPER], f"watched-{service}-{instance}")
        settings = self._settings(
            f"{'twin' if twin else 'sidecar'}-{service}-{instance}",
            f"""{_pace(more)}
            {more}
            [nats]
            url = "{url or self.url}"
            nkey_file = "{self.ring.seed_file(f"agent-{service}")}"
            inbox_prefix = "_INBOX_agent_{service}"
            [[targets]]
            service = "{service}"
            instance = "{instance}"
            pid = {self.watched[name].pid}
            sample_s = 0.5
            labels = {{ {", ".join(f'{key} = "{value}"' for key, value in (labels or {}).items())} }}
            """,
        )
        before = {one.cid for one in self._listed()}  # one that was killed just now may still be among them
        program = self._module("diagmesh_agents", settings, environment)
        if not twin:
            self.sidecars[name] = program
        self._await_subscription(f"diag/{name}", f"diag.{service}.*.all", program, before)
        return program

    def coordinator(
        self, instance: str = "c1", more: str = "", *, warm: bool = True, seed_file: Path | None = None
    ) -> Program:
        """A coordinator; returns when the server knows its subscriptions and it has heard a round of heartbeats.

        Args:
            instance: its name.
            more: further settings, one per line, which win over ours.
            warm: whether to wait for that round.
            seed_file: as whom, if not as every coordinator.
        """
        settings = self._settings(
            f"coordinator-{instance}",
            f"""instance = "{instance}"
            {_pace(more)}
            {more}
            [nats]
            url = "{self.url}"
            nkey_file = "{seed_file or self.ring.seed_file("coordinator")}"
            inbox_prefix = "_INBOX_coord"
            """,
        )
        program = self._module("diagmesh_coordinator", settings)
        self._await_subscription("", f"diag.mesh.*.{instance}", program)
        if warm:
            time.sleep(3 * HEARTBEAT_S)
        return program

    def program(self, command: list[str | Path], name: str, environment: Mapping[str, str] | None = None) -> Program:
        """Any other process, ended with the mesh."""
        return self._stack.enter_context(Program(command, self.directory / f"{name}.log", environment))

    def connections(self) -> dict[str, tuple[str, ...]]:
        """Who is connected: connection name to its subscriptions, as the server sees it."""
        return {one.name: one.subscriptions_list for one in self._listed()}

    def _listed(self) -> tuple[_Connection, ...]:
        asking = http.client.HTTPConnection(self.server.host, self.server.monitor_port, timeout=10)
        try:
            asking.request("GET", "/connz?subs=1")
            known = msgspec.json.decode(asking.getresponse().read(), type=_Connections)
        finally:
            asking.close()
        return known.connections

    def __enter__(self) -> Self:
        self._stack.enter_context(self.server)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _module(self, module: str, settings: Path, environment: Mapping[str, str] | None = None) -> Program:
        return self.program(["python", "-m", module, "--config", settings], settings.stem, environment)

    def _settings(self, name: str, text: str) -> Path:
        file = self.directory / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        return file

    def _await_subscription(
        self, connection: str, subject: str, program: Program, before: Collection[int] = ()
    ) -> None:
        def there() -> bool:
            if not program.running:
                raise RuntimeError(f"it ended at its start:\n{program.log_text()[-2000:]}")
            return any(
                subject in one.subscriptions_list
                for one in self._listed()
                if connection in ("", one.name) and one.cid not in before
            )

        try:
            wait_until(there, _START_S, f"a subscription to {subject}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its log:\n{program.log_text()[-2000:]}") from None


def _pace(more: str) -> str:
    return "" if "heartbeat_s" in more else f"heartbeat_s = {HEARTBEAT_S}"
