"""A crowd of instances on the bus in memory, each answering what the test gives it."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.contract import subjects
from diagmesh.contract.codec import encode
from diagmesh.contract.findings import Finding
from diagmesh.contract.wire import Problem, Reply, Status

__all__ = ["Crowd", "connz_reply", "reply"]


def reply(
    service: str = "orders",
    instance: str = "i1",
    *,
    kind: str = "health",
    answer: Any = msgspec.UNSET,
    status: Status = Status.ANSWERED,
    problem: Problem | None = None,
    findings: tuple[Finding, ...] = (),
    boot: str = "b1",
) -> Reply:
    """A reply; ``answer`` is any JSON value."""
    raw = msgspec.Raw(msgspec.json.encode(answer)) if answer is not msgspec.UNSET else msgspec.UNSET
    return Reply(
        v=1,
        service=service,
        instance=instance,
        boot=boot,
        kind=kind,
        status=status,
        answer=raw,
        problem=problem,
        findings=findings,
    )


def connz_reply(*names: str, server: str = "memory", total: int | None = None) -> bytes:
    """What one server says of its connections."""
    connections = [{"cid": number, "name": name} for number, name in enumerate(names)]
    data = {"connections": connections, "total": len(names) if total is None else total}
    return msgspec.json.encode({"server": {"name": server}, "data": data})


class Crowd:
    """Answers on a `MemoryServer`; `asked` holds every question that came in."""

    def __init__(self, server: MemoryServer | None = None) -> None:
        self.server = server or MemoryServer()
        self.bus: MemoryBus = self.server.bus()
        self.asked: list[Message] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def on(self, subject: str, answer: Callable[[Message], list[bytes]]) -> None:
        """Answer every message on a subject with what ``answer`` gives, one message each."""

        def take(message: Message) -> None:
            self.asked.append(message)
            for data in answer(message):
                self._send(message.reply, data)

        await self.bus.subscribe(subject, take)

    async def instance(
        self, service: str, instance: str, *, kind: str = "*", answer: Any = None, times: int = 1
    ) -> None:
        """One well-behaved instance (that may say the same several times)."""

        def say(message: Message) -> list[bytes]:
            asked = subjects.kind_of(message.subject)
            return [encode(reply(service, instance, kind=asked, answer=answer or {"state": "up"}))] * times

        await self.on(f"diag.{service}.{kind}.all", say)
        await self.on(f"diag.{service}.{kind}.{instance}", say)
        await self.on(f"diag.all.{kind}", say)

    async def mute(self, service: str) -> None:
        """Somebody who listens and never answers."""
        await self.on(f"diag.{service}.*.all", lambda _: [])

    def _send(self, subject: str, data: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self.bus.publish(subject, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
