"""A mesh beside the Go demo: a base that nobody touches, and fresh copies that are broken one after the other."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from diagmesh.settings import CoordinatorSettings, RuleSettings
from diagmesh_cli.local.roles import server_config
from diagmesh_cli.local.settings_file import toml_of
from support.customers import customers
from support.godemo import GoDemo, GoService
from support.lesser import with_lesser
from support.ports import free_port
from support.programs import Program, wait_until
from support.smallmesh import HEARTBEAT_S, SERVER_NAME, SmallMesh

__all__ = ["BASE", "SHOP", "Copy", "DemoMesh", "Peer"]

BASE: Final = (("orders", "i1"), ("payments", "i1"), ("inventory", "i1"))
SHOP: Final = "shop"
"""The service of the copies that have a nats-server of their own."""
_LOAD_PER_S: Final = 20.0
_AGAIN_S: Final = 30.0
_DISMISSED_S: Final = 10.0
_KEEPS: Final = 'registry = { keep = "required" }'
_LINGER_S: Final = 300  # longer than anybody waits here
_STARVE: Final = """
import os, signal, sys, time
pid, until = int(sys.argv[1]), time.monotonic() + 120
while time.monotonic() < until:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.35)
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.05)
"""
_SAMPLE_S: Final = 0.05  # the ring then holds the last 36 s: what grew is seen soon, and forgotten soon
_STREAMS: Final = """[targets.streams]
            names = ["ORDERS"]
            publishes = ["demo.events.order.created"]
            """


class Copy:
    """One copy of a service with its sidecar.

    Args:
        mesh: to which it belongs.
        demo: that started it.
        service: its process and switches.
        pid_file: by which its sidecar finds it; None where the sidecar came with a launcher, which started the service.
    """

    def __init__(self, mesh: "DemoMesh", demo: GoDemo, service: GoService, pid_file: Path | None) -> None:
        self._mesh, self._demo, self._pid_file = mesh, demo, pid_file
        self.service = service
        self.sidecar = self.attach() if pid_file is not None else service.program
        self.twin: Program | None = None
        self._customers: Program | None = None

    @property
    def name(self) -> str:
        """SERVICE/INSTANCE."""
        return f"{self.service.name}/{self.service.instance}"

    def attach(self, environment: Mapping[str, str] | None = None) -> Program:
        """Start a sidecar beside it."""
        self.sidecar = self._mesh.beside(self.service, self._name_process(), environment)
        return self.sidecar

    def add_twin(self) -> None:
        """Start a second sidecar beside it, under the same name."""
        self.twin = self._mesh.beside(self.service, self._name_process())

    def crowd(self) -> None:
        """A dozen customers of its own, who ask again as soon as they are served; they leave by themselves."""
        name = f"crowd-{self.service.instance}"
        self._customers = self._mesh.program(customers(self.service.port), name)

    def disperse(self) -> None:
        """They leave now."""
        if self._customers is not None:
            self._customers.stop()

    def restart(self) -> None:
        """It is ended by force, and another process takes its place."""
        before = self.service
        before.program.kill()
        self.service = self._demo.service(before.name, "--http-port", str(before.port), instance=before.instance)
        self._name_process()

    def leave(self) -> None:
        """Both end in good order, the sidecar first: an instance that is taken out of service."""
        if self.twin is not None:
            self.twin.stop()
        self.disperse()
        if self._pid_file is None:
            self._dismiss_launcher()
        self.sidecar.stop()
        self._demo.close()

    def again(self, instead_of: int) -> None:
        """Wait until its launcher has started another process instead of that one, and it works."""
        wait_until(lambda: self.service.pid != instead_of, _AGAIN_S, "it is started again")
        self._demo.connected(self.service)

    def _dismiss_launcher(self) -> None:
        """Told again and again: the first word ends the service, another one the time in which it is told how."""
        deadline = time.monotonic() + _DISMISSED_S
        while self.sidecar.running and time.monotonic() < deadline:
            self.sidecar.send(signal.SIGTERM)
            time.sleep(0.5)

    def _name_process(self) -> Path:
        assert self._pid_file is not None, "a launcher knows its process"
        beside = self._pid_file.with_suffix(".new")
        beside.write_text(str(self.service.program.pid), encoding="ascii")
        beside.replace(self._pid_file)
        return self._pid_file


class Peer(Copy):
    """A second coordinator, broken like a copy of a service; it has no service beside it.

    Args:
        mesh: to which it belongs.
        instance: its name.
    """

    def __init__(self, mesh: "DemoMesh", instance: str) -> None:
        self._mesh, self._instance = mesh, instance
        self._starver: Program | None = None
        self.sidecar = self.attach()
        self.twin = None

    @property
    def name(self) -> str:
        """SERVICE/INSTANCE."""
        return f"mesh/{self._instance}"

    def attach(self, environment: Mapping[str, str] | None = None) -> Program:
        """Start it (again), with the settings of the first one."""
        self.sidecar = self._mesh.coordinator(self._instance, self._mesh.judging)
        return self.sidecar

    def judge_otherwise(self) -> None:
        """Start it again, with other settings."""
        self.sidecar.stop()
        self.sidecar = self._mesh.coordinator(self._instance, f"forget_after_s = 77.0\n{self._mesh.judging}")

    def lose_a_right(self) -> None:
        """Start it again, as a user of the server who may not hear what operators tell coordinators to do."""
        self.sidecar.stop()
        self.sidecar = self._mesh.coordinator(self._instance, self._mesh.judging, seed_file=self._mesh.lesser)

    def take_jetstream_away(self) -> None:
        """From its account, and with it from all coordinators: what they keep there is gone for the time being."""
        self._mesh.jetstream(on=False)

    def give_jetstream_back(self) -> None:
        """And wait until every coordinator keeps its registry again."""
        self._mesh.jetstream(on=True)
        for one in (self._mesh.judge, self.sidecar):
            wait_until(lambda one=one: _keeps(one), _AGAIN_S, "the registry is kept again")  # type: ignore[misc]

    def starve(self) -> None:
        """Let it run for 50 ms in each 400 ms, as on a machine that is far too busy; ends by itself."""
        self._starver = self._mesh.program(["python", "-c", _STARVE, str(self.sidecar.pid)], f"starve-{self._instance}")

    def feed(self) -> None:
        """Let it run all the time."""
        if self._starver is not None:
            self._starver.stop()
            self.sidecar.thaw()

    def leave(self) -> None:
        """It ends in good order."""
        self.feed()
        self.sidecar.stop()


class DemoMesh(SmallMesh):
    """Server, coordinator and the base of the demo under load; use it as a context manager, then `start`.

    Args:
        directory: an empty folder.
        programs: the built Go demo.
        more_server: further configuration of the server.
    """

    def __init__(self, directory: Path, programs: Path, more_server: str = "") -> None:
        self.services = (*(service for service, _ in BASE), SHOP)
        super().__init__(directory, self.services, more_server)
        self._more_server = more_server
        self.server.configure(self._config())
        self._programs = programs
        self.observed: frozenset[str] = frozenset()
        """The instances whose sidecars have a connection in the account of the application."""
        self.beside_judging = ""
        """By which settings the sidecars judge what they answer: tables of TOML; empty for those of the rules."""

    @property
    def demo_url(self) -> str:
        """Where the demo connects."""
        return self.url

    def start(self, rules: Sequence[RuleSettings], *, bare: bool = False) -> None:
        """Start everybody; the coordinator judges by these settings. ``bare``: without the base and its load."""
        base = self._demo(self.directory, self._programs)
        services = [base.service(service, instance=instance) for service, instance in (() if bare else BASE)]
        base.connected(*services)
        if not bare:
            base.load(_LOAD_PER_S)
        self.judging = f"{_KEEPS}\n{toml_of(CoordinatorSettings(rules=tuple(rules)), brief=True)}"
        self.judge = self.coordinator(more=self.judging)
        for service in services:
            self._copy(base, service)

    def jetstream(self, *, on: bool) -> None:
        """Give JetStream to the account in which the coordinators are, or take it away; that of the demo keeps it."""
        self.server.configure(self._config(jetstream=on))
        self.server.reload()

    def _config(self, *, jetstream: bool = True) -> str:
        config: dict[str, Any] = msgspec.json.decode(server_config(self.ring, self.services, -1))
        config["server_name"] = SERVER_NAME  # given on the command line at the start; it may not change
        self.lesser = with_lesser(config, self.ring, "diagctl.mesh.>")
        if not jetstream:
            del config["accounts"]["DIAG"]["jetstream"]
        return f"{msgspec.json.encode(config).decode()}\n{self._more_server}"

    def copy(
        self,
        service: str,
        instance: str,
        folder: Path,
        *flags: str,
        within: Sequence[str] = (),
        programs: Path | None = None,
        launched: Sequence[str] | None = None,
        own: tuple[str, Mapping[str, Any]] | None = None,
    ) -> Copy:
        """A fresh copy with its sidecar, which works; ``launched`` are the flags of a launcher that starts it.

        Of the service ``mesh`` it is a further coordinator; ``own`` makes it one with a nats-server of its own.
        """
        if service == "mesh":
            return Peer(self, instance)
        if own is not None:
            from faults import shop, signed  # noqa: PLC0415  which are copies themselves

            kind = signed.Signed if own[0].startswith("operator:") else shop.Shop
            return kind(self, instance, folder, *own)
        if launched is not None:
            port = free_port()
            within = (*self._launcher(service, instance, folder, port), *launched, "--", *within)
            flags = (*flags, "--http-port", str(port))
        demo = self._demo(folder, programs or self._programs, within)
        fresh = demo.service(service, *flags, instance=instance)
        demo.connected(fresh)
        if launched is None:
            return self._copy(demo, fresh)
        self._await_subscription(f"diag/{service}/{instance}", f"diag.{service}.*.all", fresh.program)
        return Copy(self, demo, fresh, None)

    def attend(self, instance: str, text: str) -> Program:
        """A sidecar in the mesh for a copy with a nats-server of its own; ``text`` are its targets."""
        settings = self._settings(
            f"sidecar-{SHOP}-{instance}-{os.urandom(3).hex()}",
            f"""heartbeat_s = {HEARTBEAT_S}
            [nats]
            url = "{self.url}"
            nkey_file = "{self.ring.seed_file(f"agent-{SHOP}")}"
            inbox_prefix = "_INBOX_agent_{SHOP}"
            {text}
            {self.beside_judging}""",
        )
        program = self._module("diagmesh_agents", settings)
        self._await_subscription(f"diag/{SHOP}/{instance}", f"diag.{SHOP}.*.all", program)
        return program

    def beside(self, service: GoService, pid_file: Path, environment: Mapping[str, str] | None = None) -> Program:
        """A sidecar beside a copy; returns when the server knows its subscriptions."""
        name, instance = service.name, service.instance
        settings = self._of_sidecar(name, instance, service.port, f'pid_file = "{pid_file}"')
        program = self._module("diagmesh_agents", settings, environment)
        self._await_subscription(f"diag/{name}/{instance}", f"diag.{name}.*.all", program)
        return program

    def _launcher(self, service: str, instance: str, folder: Path, port: int) -> Sequence[str]:
        settings = self._of_sidecar(service, instance, port, "")
        words = ("-m", "diagmesh_agents", "--config", str(settings), "--linger", str(_LINGER_S))
        return (sys.executable, *words, "--state-dir", str(folder / "state"))

    def _of_sidecar(self, name: str, instance: str, port: int, way: str) -> Path:
        return self._settings(
            f"sidecar-{name}-{instance}-{os.urandom(3).hex()}",
            f"""heartbeat_s = {HEARTBEAT_S}
            [nats]
            url = "{self.url}"
            nkey_file = "{self.ring.seed_file(f"agent-{name}")}"
            inbox_prefix = "_INBOX_agent_{name}"
            [[targets]]
            service = "{name}"
            instance = "{instance}"
            {way}
            sample_s = {_SAMPLE_S}
            [[targets.probes]]
            name = "door"
            tcp = "127.0.0.1:{port}"
            [[targets.probes]]
            name = "healthz"
            http = "http://127.0.0.1:{port}/healthz"
            required = false
            [targets.nats]
            url = "{self.url}"
            nkey_file = "{self.ring.seed_file("observer")}"
            inbox_prefix = "_INBOX_observer"
            [targets.connection]
            url = "{self.demo_url}"
            nkey_file = "{self.ring.seed_file("app")}"
            [targets.go]
            pprof = "http://127.0.0.1:{port}/debug/pprof"
            expvar = "http://127.0.0.1:{port}/debug/vars"
            metrics = "http://127.0.0.1:{port}/metrics"
            {_STREAMS if instance in self.observed else ""}
            {self.beside_judging}
            """,
        )

    def _copy(self, demo: GoDemo, service: GoService) -> Copy:
        return Copy(self, demo, service, self.directory / f"{service.name}-{service.instance}.pid")

    def _demo(self, folder: Path, programs: Path, within: Sequence[str] = ()) -> GoDemo:
        key = str(self.ring.seed_file("app"))
        demo = GoDemo(programs, self.demo_url, folder, "--nkey-file", key, within=within)
        return self._stack.enter_context(demo)


def _keeps(coordinator: Program) -> bool:
    """By its log, in which each change of that stands once."""
    said = coordinator.log_text()
    return said.rfind("the registry is kept") > said.rfind("the registry is degraded")
