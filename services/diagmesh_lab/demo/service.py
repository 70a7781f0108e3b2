"""What both demo services share: flags, connection, the HTTP door, a log in JSON lines, an orderly end."""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from diagmesh.bus.core import Bus, BusState, Message
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.codec import ERROR_CODE_HEADER, ERROR_HEADER
from diagmesh.contract.names import check_token
from diagmesh.errors import BusError
from diagmesh.settings import NatsSettings
from diagmesh_lab.demo.door import Door, Health

__all__ = ["Flags", "Recent", "Service", "main"]

_WINDOW_S: Final = 10.0
_IN_WORK: Final = 64
_LOG_PACE_S: Final = 1.0
_DRAIN_S: Final = 2.0
_VERSION: Final = "1.0.0"


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """The command line of a demo service."""

    nats: str
    nkey_file: str = ""
    instance: str = "i1"
    http_port: int = 0
    ready_file: str = ""
    rate: float = 10.0
    allow_faults: bool = False


class Recent:
    """The outcomes of the last ten seconds, at most 1000: how long they took, and whether they failed."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, float, bool]] = deque(maxlen=1000)
        self.total = 0
        self.failed = 0

    def add(self, took_s: float, *, failed: bool = False) -> None:
        """Note one outcome."""
        self.total += 1
        self.failed += failed
        self._kept.append((time.monotonic(), took_s, failed))

    def now(self) -> list[tuple[float, bool]]:
        """Duration in seconds and failure of each recent outcome."""
        since = time.monotonic() - _WINDOW_S
        return [(took_s, failed) for at, took_s, failed in self._kept if at >= since]


class Service(ABC):
    """One demo service: subclasses say what they listen to and when they are well."""

    name: str

    def __init__(self, bus: Bus, flags: Flags) -> None:
        self.bus = bus
        self.flags = flags
        self.recent = Recent()
        self._tasks: set[asyncio.Task[None]] = set()
        self._logged_at = 0.0

    @abstractmethod
    async def start(self) -> None:
        """Subscribe, and begin to work."""

    @abstractmethod
    def unwell(self) -> str:
        """Why the service is not well; empty when it is."""

    def health(self) -> Health:
        """What the door tells."""
        lost = "" if self.bus.state.state is BusState.CONNECTED else f"no connection to NATS: {self.bus.state.reason}"
        reason = lost or self.unwell()
        return Health(
            status="failing" if reason else "ok", reason=reason, requests=self.recent.total, errors=self.recent.failed
        )

    def work(self, job: Coroutine[Any, Any, None]) -> bool:
        """Run a job beside the others; False (and not run) when too many are in work."""
        if len(self._tasks) >= _IN_WORK:
            job.close()
            return False
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def reply(self, message: Message, answer: dict[str, Any], *, error: str = "", code: int = 500) -> None:
        """Answer a request; an error goes into the service headers (ADR-32) too."""
        headers = {ERROR_HEADER: error, ERROR_CODE_HEADER: str(code)} if error else None
        if message.reply:
            try:
                await self.bus.publish(message.reply, json.dumps(answer).encode(), headers=headers)
            except BusError as lost:
                self.log("error", "reply not sent", error=str(lost))

    def log(self, level: str, message: str, **fields: Any) -> None:
        """One JSON line; errors at most once per second."""
        now = time.monotonic()
        if level == "error":
            if now - self._logged_at < _LOG_PACE_S:
                return
            self._logged_at = now
        line = {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "service": self.name,
            "version": _VERSION,
            "component": self.flags.instance,
            "message": message,
            **fields,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    async def stop(self) -> None:
        """Let the work at hand finish, within a bound."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_DRAIN_S)
            for task in late:
                task.cancel()


async def _run(kind: type[Service], flags: Flags) -> None:
    asked_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    bus = NatsBus(NatsSettings(url=flags.nats, nkey_file=flags.nkey_file), f"{kind.name}-{flags.instance}")
    bus.start()
    service = kind(bus, flags)
    door = Door(service.health)
    port = await door.open(flags.http_port)
    await service.start()
    if flags.ready_file:
        _tell(Path(flags.ready_file), {"pid": os.getpid(), "http_port": port})
    service.log("info", "ready", operation="start")
    await asked_to_end.wait()
    await service.stop()
    await door.close()
    await bus.close()
    service.log("info", "ended in order", operation="stop")


def _tell(path: Path, content: dict[str, int]) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(path)


def main(kind: type[Service], arguments: Sequence[str] | None = None) -> None:
    """Run one demo service until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog=f"python -m diagmesh_lab.demo.{kind.name}", description=kind.__doc__)
    parser.add_argument("--nats", default="nats://127.0.0.1:4222", help="server URL")
    parser.add_argument("--nkey-file", default="", help="seed file of a user in the account of the application")
    parser.add_argument("--instance", default="i1", help="name of this copy")
    parser.add_argument("--http-port", type=int, default=0, help="loopback port of /healthz (0: any)")
    parser.add_argument("--ready-file", default="", help="file to write pid and port into, once ready")
    parser.add_argument("--rate", type=float, default=10.0, help="requests per second that orders makes (0: none)")
    parser.add_argument("--allow-faults", action="store_true", help="obey the fault switch")
    given = parser.parse_args(arguments)
    check_token(given.instance, "instance")
    asyncio.run(_run(kind, Flags(**vars(given))))
