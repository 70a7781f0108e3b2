"""The Go demo of ``deploy/demo`` as real processes: its services, its load, its fault switches, seen from outside."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import nats
import psutil

from diagmesh.settings import GoSettings
from support.golang import Go
from support.house import ROOT
from support.programs import Program, wait_until

__all__ = ["SOURCE", "GoDemo", "GoService", "Reply", "ask", "build", "consumer"]

SOURCE: Final = ROOT / "deploy" / "demo"
_READY_S: Final = 20.0
_ANSWER_S: Final = 8.0
Reply = tuple[dict[str, str], Any]
"""Headers and decoded body of a reply."""


def build(go: Go, *flags: str) -> Path:
    """The folder with ``orders``, ``payments``, ``inventory`` and ``load``; built once, kept outside the tree."""
    return go.programs("demo", SOURCE, *flags, "./cmd/...")


def ask(
    url: str, subject: str, body: object = None, *, raw: bytes = b"", within_s: float = _ANSWER_S, seed_file: str = ""
) -> Reply:
    """One request over NATS, on a connection of its own; ``body`` becomes JSON, ``raw`` is sent as it is."""
    return asyncio.run(_ask(url, subject, raw if body is None else json.dumps(body).encode(), within_s, seed_file))


async def _ask(url: str, subject: str, body: bytes, within_s: float, seed_file: str) -> Reply:
    connection = await nats.connect(url, nkeys_seed=seed_file or None)
    try:
        reply = await connection.request(subject, body, timeout=within_s)
        return dict(reply.headers or {}), json.loads(reply.data)
    finally:
        await connection.close()


class GoService:
    """One running copy of a service.

    Args:
        program: its process.
        url: the server that it is at.
        name: of the service.
        instance: of the copy.
        port: of its HTTP pages.
        seed_file: as whom its switches are turned; empty for nobody in particular.
        ready_file: where each of its processes tells its id, where ``program`` only starts them.
    """

    def __init__(
        self,
        program: Program,
        url: str,
        name: str,
        instance: str,
        port: int,
        *,
        seed_file: str = "",
        ready_file: Path | None = None,
    ) -> None:
        self.program = program
        self._ready_file = ready_file
        self._seed_file = seed_file
        self.url, self.name, self.instance, self.port = url, name, instance, port
        self.process = psutil.Process(self.pid)

    @property
    def pid(self) -> int:
        """The process id of the service: what it told last."""
        if self._ready_file is None:
            return self.program.pid
        return int(json.loads(self._ready_file.read_text())["pid"])

    @property
    def go(self) -> GoSettings:
        """Where its diagnostic pages are, as the settings of a sidecar say it."""
        at = f"http://127.0.0.1:{self.port}"
        return GoSettings(pprof=f"{at}/debug/pprof", expvar=f"{at}/debug/vars", metrics=f"{at}/metrics")

    def order(self, **words: object) -> Reply:
        """Send an order to the switchboard of this copy."""
        return ask(self.url, f"demo.{self.name}.{self.instance}.fault", words, seed_file=self._seed_file)

    def turn(self, fault: str, *, on: bool = True, **words: object) -> list[str]:
        """Turn a switch; the names of all faults that are on then."""
        headers, state = self.order(fault=fault, on=on, **words)
        assert "Nats-Service-Error" not in headers, headers
        return [active["fault"] for active in state["active"]]

    def page(self, path: str, *, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of an HTTP page."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S) as reply:  # noqa: S310  loopback
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def fetched(self, profile: str) -> bytes:
        """A profile as it comes: ``heap``, ``profile?seconds=1``."""
        url = f"http://127.0.0.1:{self.port}/debug/pprof/{profile}"
        with urllib.request.urlopen(url, timeout=60) as reply:
            return bytes(reply.read())

    def metric(self, series: str) -> float:
        """One number of ``/metrics``; 0 for a counter that has not counted yet."""
        for line in self.page("/metrics")[1].splitlines():
            if line.startswith(f"{series} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def goroutines(self) -> int:
        """How many it has, by expvar."""
        return int(json.loads(self.page("/debug/vars")[1])["goroutines"])

    def stacks(self) -> str:
        """The goroutine dump, with the wait reason of each."""
        return self.page("/debug/pprof/goroutine?debug=2")[1]

    def lines(self, **fields: str) -> list[dict[str, Any]]:
        """Its complete log lines in which these fields have these values."""
        text = self.program.log_text()
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines() if line.startswith("{")]
        return [line for line in lines if fields.items() <= line.items()]

    def cpu_s(self) -> float:
        """Processor seconds that it has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def sockets(self, state: str) -> int:
        """How many TCP sockets it has in a state, such as ``CLOSE_WAIT``."""
        return sum(1 for socket in self.process.net_connections("tcp") if socket.status == state)


class GoDemo:
    """The services at one server. Use it as a context manager, or call `close`.

    Args:
        programs: the folder of `build`.
        url: where they connect.
        directory: for logs and ready files.
        flags: for every program, such as ``--nkey-file``.
        within: words before the command of every service, such as ``nice``, that end in it or start it.
    """

    def __init__(self, programs: Path, url: str, directory: Path, *flags: str, within: Sequence[str] = ()) -> None:
        self._within = within
        self._programs, self.url, self._directory, self._flags = programs, url, directory, flags
        self._started: list[Program] = []

    def service(
        self,
        name: str,
        *flags: str,
        instance: str = "i1",
        faults: bool = True,
        environment: dict[str, str] | None = None,
    ) -> GoService:
        """Start a copy and wait until it says that it is ready."""
        told = self._directory / f"{name}-{instance}-{len(self._started)}.ready"
        switches = ["--allow-faults"] if faults else []
        own = ["--instance", instance, "--ready-file", told, *switches, *flags]
        program = self._start(name, own, environment)
        wait_until(lambda: told.exists() or not program.running, _READY_S, f"{name} is ready")
        assert told.exists(), program.log_text()
        seed_file = self._flags[self._flags.index("--nkey-file") + 1] if "--nkey-file" in self._flags else ""
        port = json.loads(told.read_text())["http_port"]
        return GoService(program, self.url, name, instance, port, seed_file=seed_file, ready_file=told)

    def load(self, rate: float, *flags: str) -> GoService:
        """Start the load; only its log lines are to be seen."""
        program = self._start("load", ["--rate", str(rate), *flags], None)
        return GoService(program, self.url, "load", "i1", 0)

    def connected(self, *services: GoService, within_s: float = _READY_S) -> Self:
        """Wait until the services answer requests, with JetStream if there is any."""
        for service in services:
            wait_until(lambda one=service: _well(one), within_s, f"{service.name} is well")  # type: ignore[misc]  # bound
        return self

    def close(self) -> None:
        """End all of them."""
        for program in reversed(self._started):
            program.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, name: str, flags: list[Any], environment: dict[str, str] | None) -> Program:
        log = self._directory / f"{name}-{len(self._started)}.log"
        within = self._within if name != "load" else ()
        command = [*within, self._programs / name, "--nats", self.url, *self._flags, *flags]
        self._started.append(Program(command, log, environment))
        return self._started[-1]


def _well(service: GoService) -> bool:
    status, text = service.page("/healthz")
    return status == 200 and json.loads(text).get("jetstream", "ok") == "ok"


def consumer(url: str) -> dict[str, Any]:
    """What JetStream tells of the consumer of inventory."""
    return ask(url, "$JS.API.CONSUMER.INFO.ORDERS.inventory")[1]  # type: ignore[no-any-return]  # the server decides
