"""The whole mesh of `diagmesh up`: server, coordinator, demo services, and a sidecar beside each of them."""

import asyncio
import os
from collections.abc import Callable
from typing import Final

import msgspec

from diagmesh.accept import CONTROL_KINDS
from diagmesh.errors import DiagmeshError
from diagmesh.settings import (
    CoordinatorNatsSettings,
    CoordinatorSettings,
    GoSettings,
    NatsServerSettings,
    NatsSettings,
    ProbeSettings,
    SidecarSettings,
    StreamsSettings,
    TargetSettings,
)
from diagmesh_cli.local import embedded, rundir
from diagmesh_cli.local.children import Child, Family, how_it_ended
from diagmesh_cli.local.demos import Demo, Wish, choose, python
from diagmesh_cli.local.roles import Keyring, make_keyring
from diagmesh_cli.local.settings_file import write_settings

__all__ = ["MOST_COORDINATORS", "LocalMesh"]

MOST_COORDINATORS: Final = 9
_SERVER: Final = "nats"
_READY_S: Final = 20.0
_PACE_S: Final = 0.05
_HEARTBEAT_S: Final = 1.0
_SAMPLE_S: Final = 2.0


class _Ready(msgspec.Struct, frozen=True):
    """What a demo service tells when it is ready."""

    pid: int
    http_port: int


class LocalMesh:
    """Everything that `up` runs; whoever opens it closes it.

    Args:
        port: asked for on the command line; None prefers 4222.
        wish: which demo services.
        allow_faults: whether these may be broken on purpose.
        coordinators: how many, named ``c1``, ``c2`` ….
    """

    def __init__(self, port: int | None, wish: Wish, *, allow_faults: bool = False, coordinators: int = 1) -> None:
        self._wish = wish
        self.coordinators = tuple(f"c{number}" for number in range(1, coordinators + 1))
        self._allow_faults = allow_faults
        self._demo: Demo | None = None
        # Whatever can be refused is refused before anything is started.
        self._program = embedded.find_server()
        self._port = embedded.choose_port(port)
        self._elsewhere = port is None and self._port != embedded.PREFERRED_PORT
        self.directory = rundir.make_private_directory()
        self.family = Family(self.directory, rundir.state_file(os.getpid()))
        self._ring: Keyring | None = None
        self._server: embedded.Embedded | None = None

    async def open(self) -> None:
        """Guard the directory: from here on nothing is left behind.

        Raises:
            DiagmeshError: the keeper did not come up.
        """
        try:
            await self.family.open()
        except BaseException:
            rundir.remove(self.directory)
            raise

    async def close(self) -> None:
        """End everybody, the server last; then the keeper removes the directory. Bounded, and safe to call twice."""
        rundir.forget_state(os.getpid())
        await self.family.stop(last=self._server.child if self._server is not None else None)
        await self.family.close()
        rundir.remove(self.directory)  # gone already, unless somebody ended the keeper

    @property
    def note(self) -> str:
        """Why the port is another one than usual; empty when it is not."""
        return f"{embedded.PREFERRED_PORT} is in use" if self._elsewhere else ""

    @property
    def demo(self) -> Demo:
        """The demo services."""
        assert self._demo is not None  # noqa: S101  chosen in `start`
        return self._demo

    @property
    def instances(self) -> tuple[tuple[str, str], ...]:
        """Service and instance of everybody who is watched."""
        return (*self.demo.instances, (_SERVER, "i1"))

    @property
    def services(self) -> tuple[str, ...]:
        """The watched services."""
        return tuple(dict.fromkeys(service for service, _ in self.instances))

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self._running.url

    @property
    def server(self) -> Child:
        """The process of the server."""
        return self._running.child

    @property
    def keyring(self) -> Keyring:
        """The generated keys."""
        assert self._ring is not None  # noqa: S101  made in `start`
        return self._ring

    @property
    def _running(self) -> embedded.Embedded:
        assert self._server is not None  # noqa: S101  made in `start`
        return self._server

    async def start(self, tell: Callable[[str], None]) -> None:
        """Start everything; returns when the demo services work and the sidecars are on their way.

        Args:
            tell: is told what takes longer than usual.

        Raises:
            DiagmeshError: something ended or did not become ready; with its last lines.
        """
        self._demo = await choose(self._wish, self.family, tell)
        self._ring = make_keyring(self.directory, self.services)
        self._server = await embedded.start_server(self.family, self._program, self._ring, self.services, self._port)
        for coordinator in self.coordinators:
            await self._start_coordinator(coordinator)
        async with asyncio.TaskGroup() as starting:
            for service, instance in self.instances:
                starter = self._start_demo if service != _SERVER else self._start_server_sidecar
                starting.create_task(starter(service, instance))
        if load := self.demo.load:
            await self.family.spawn("load", [*load, *self._application()])
        rundir.write_state(
            rundir.Running(
                pid=os.getpid(),
                started_ticks=rundir.start_ticks(os.getpid()) or 0,
                url=self.url,
                directory=str(self.directory),
                operator_seed_file=str(self._ring.seed_file("operator")),
                application_seed_file=str(self._ring.seed_file("app")),
                services=self.services,
            )
        )

    async def until(self, done: Callable[[], bool], child: Child, what: str) -> None:
        """Wait until something is done by a child.

        Raises:
            DiagmeshError: the child ended before, or it took too long.
        """
        try:
            async with asyncio.timeout(_READY_S):
                while not done():
                    if child.returncode is not None:
                        raise DiagmeshError(f"{child.name} {how_it_ended(child.returncode)}: {_last(child)}")
                    await asyncio.sleep(_PACE_S)
        except TimeoutError:
            raise DiagmeshError(f"{child.name}: {what} within {_READY_S:g} s: {_last(child)}") from None

    def _connection(self, role: str, inbox_prefix: str) -> NatsSettings:
        return NatsSettings(url=self.url, nkey_file=str(self.keyring.seed_file(role)), inbox_prefix=inbox_prefix)

    def _application(self) -> list[str]:
        return ["--nats", self.url, "--nkey-file", str(self.keyring.seed_file("app"))]

    async def _start_coordinator(self, name: str) -> None:
        first = name == self.coordinators[0]
        settings = CoordinatorSettings(
            nats=CoordinatorNatsSettings(url=self.url, nkey_file=str(self.keyring.seed_file("coordinator"))),
            instance=name,
            coordinators=len(self.coordinators),
            heartbeat_s=_HEARTBEAT_S,
            operators=(self.keyring.public["operator"],),
        )
        file = write_settings(self.directory / f"coordinator{'' if first else f'-{name}'}.toml", settings)
        await self.family.spawn(
            "coordinator" if first else f"coordinator {name}", python("diagmesh_coordinator", "--config", str(file))
        )

    async def _start_demo(self, service: str, instance: str) -> None:
        name, ready = f"{service}/{instance}", self.directory / f"{service}-{instance}.json"
        flags = [*self._application(), "--instance", instance, "--ready-file", str(ready)]
        faults = ["--allow-faults"] if self._allow_faults else []
        child = await self.family.spawn(name, [*self.demo.command(service), *flags, *faults])
        await self.until(ready.exists, child, "was not ready")
        told = msgspec.json.decode(ready.read_bytes(), type=_Ready)
        address = f"127.0.0.1:{told.http_port}"
        probes = (
            ProbeSettings(name="door", tcp=address),
            ProbeSettings(name="healthz", http=f"http://{address}/healthz", required=False),
        )
        go = _pages(f"http://{address}") if self.demo.programs is not None else None
        await self._start_sidecar(service, instance, told.pid, probes, go)

    async def _start_server_sidecar(self, service: str, instance: str) -> None:
        server = self._running
        probes = (
            ProbeSettings(name="client port", tcp=server.url.removeprefix("nats://")),
            ProbeSettings(name="healthz", http=f"{server.monitoring_url}/healthz"),
        )
        monitor = NatsServerSettings(monitor=server.monitoring_url)
        await self._start_sidecar(service, instance, server.child.pid, probes, monitor)

    async def _start_sidecar(
        self,
        service: str,
        instance: str,
        pid: int,
        probes: tuple[ProbeSettings, ...],
        pages: GoSettings | NatsServerSettings | None = None,
    ) -> None:
        names = self.demo.streams.get(service, ())
        target = TargetSettings(
            service=service,
            instance=instance,
            pid=pid,
            probes=probes,
            # A server is seen from the outside: it has no account whose streams and connections are its own.
            nats=None if isinstance(pages, NatsServerSettings) else self._connection("observer", "_INBOX_observer"),
            streams=StreamsSettings(names=names) if names else None,
            go=pages if isinstance(pages, GoSettings) else None,
            nats_server=pages if isinstance(pages, NatsServerSettings) else None,
            sample_s=_SAMPLE_S,
        )
        settings = SidecarSettings(
            nats=self._connection(f"agent-{service}", f"_INBOX_agent_{service}"),
            targets=(target,),
            heartbeat_s=_HEARTBEAT_S,
            operators=(self.keyring.public["operator"],),
            control=CONTROL_KINDS,
        )
        file = write_settings(self.directory / f"sidecar-{service}-{instance}.toml", settings)
        await self.family.spawn(f"sidecar of {service}/{instance}", python("diagmesh_agents", "--config", str(file)))


def _pages(at: str) -> GoSettings:
    """Where a demo service in Go has its diagnostic pages."""
    return GoSettings(pprof=f"{at}/debug/pprof", expvar=f"{at}/debug/vars", metrics=f"{at}/metrics")


def _last(child: Child) -> str:
    return " | ".join(child.last_lines(3)) or "it said nothing"
