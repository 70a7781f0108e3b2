"""A mesh beside the Go demo: a base that nobody touches, and fresh copies that are broken one after the other."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from diagmesh.settings import RuleSettings
from diagmesh_cli.local.settings_file import toml_of
from support.godemo import GoDemo, GoService
from support.programs import Program
from support.smallmesh import HEARTBEAT_S, SmallMesh

__all__ = ["BASE", "Copy", "DemoMesh"]

BASE: Final = (("orders", "i1"), ("payments", "i1"), ("inventory", "i1"))
_LOAD_PER_S: Final = 20.0
_SAMPLE_S: Final = 0.05  # the ring then holds the last 36 s: what grew is seen soon, and forgotten soon


class Copy:
    """One copy of a service with its sidecar.

    Args:
        mesh: to which it belongs.
        demo: that started it.
        service: its process and switches.
        pid_file: by which its sidecar finds it.
    """

    def __init__(self, mesh: "DemoMesh", demo: GoDemo, service: GoService, pid_file: Path) -> None:
        self._mesh, self._demo, self._pid_file = mesh, demo, pid_file
        self.service = service
        self.sidecar = self.attach()
        self.twin: Program | None = None

    @property
    def name(self) -> str:
        """SERVICE/INSTANCE."""
        return f"{self.service.name}/{self.service.instance}"

    def attach(self, environment: Mapping[str, str] | None = None) -> Program:
        """Start a sidecar beside it."""
        self._name_process()
        self.sidecar = self._mesh.beside(self.service, self._pid_file, environment)
        return self.sidecar

    def add_twin(self) -> None:
        """Start a second sidecar beside it, under the same name."""
        self.twin = self._mesh.beside(self.service, self._pid_file)

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
        self.sidecar.stop()
        self._demo.close()

    def _name_process(self) -> None:
        beside = self._pid_file.with_suffix(".new")
        beside.write_text(str(self.service.program.pid), encoding="ascii")
        beside.replace(self._pid_file)


class DemoMesh(SmallMesh):
    """Server, coordinator and the base of the demo under load; use it as a context manager, then `start`.

    Args:
        directory: an empty folder.
        programs: the built Go demo.
    """

    def __init__(self, directory: Path, programs: Path) -> None:
        super().__init__(directory, tuple(service for service, _ in BASE))
        self._programs = programs

    def start(self, rules: Sequence[RuleSettings]) -> None:
        """Start everybody; the coordinator judges by these settings."""
        base = self._demo(self.directory, self._programs)
        services = [base.service(service, instance=instance) for service, instance in BASE]
        base.connected(*services)
        base.load(_LOAD_PER_S)
        self.judge = self.coordinator(more="rules = [" + ", ".join(_inline(one) for one in rules) + "]")
        for service in services:
            self._copy(base, service)

    def copy(
        self,
        service: str,
        instance: str,
        folder: Path,
        *flags: str,
        within: Sequence[str] = (),
        programs: Path | None = None,
    ) -> Copy:
        """A fresh copy with its sidecar, which works."""
        demo = self._demo(folder, programs or self._programs, within)
        fresh = demo.service(service, *flags, instance=instance)
        demo.connected(fresh)
        return self._copy(demo, fresh)

    def beside(self, service: GoService, pid_file: Path, environment: Mapping[str, str] | None = None) -> Program:
        """A sidecar beside a copy; returns when the server knows its subscriptions."""
        name, instance = service.name, service.instance
        settings = self._settings(
            f"sidecar-{name}-{instance}-{os.urandom(3).hex()}",
            f"""heartbeat_s = {HEARTBEAT_S}
            [nats]
            url = "{self.url}"
            nkey_file = "{self.ring.seed_file(f"agent-{name}")}"
            inbox_prefix = "_INBOX_agent_{name}"
            [[targets]]
            service = "{name}"
            instance = "{instance}"
            pid_file = "{pid_file}"
            sample_s = {_SAMPLE_S}
            [[targets.probes]]
            name = "door"
            tcp = "127.0.0.1:{service.port}"
            [[targets.probes]]
            name = "healthz"
            http = "http://127.0.0.1:{service.port}/healthz"
            required = false
            """,
        )
        program = self._module("diagmesh_agents", settings, environment)
        self._await_subscription(f"diag/{name}/{instance}", f"diag.{name}.*.all", program)
        return program

    def _copy(self, demo: GoDemo, service: GoService) -> Copy:
        return Copy(self, demo, service, self.directory / f"{service.name}-{service.instance}.pid")

    def _demo(self, folder: Path, programs: Path, within: Sequence[str] = ()) -> GoDemo:
        key = str(self.ring.seed_file("app"))
        demo = GoDemo(programs, self.url, folder, "--nkey-file", key, within=within)
        return self._stack.enter_context(demo)


def _inline(rule: RuleSettings) -> str:
    lines = toml_of(rule).splitlines()
    return "{ " + ", ".join(lines) + " }"
