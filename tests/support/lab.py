"""A coordinator on the bus in memory, and instances that beat and answer when the test says so."""

import asyncio
from typing import Any, Final

import msgspec

from diagmesh.bus.memory import MemoryServer
from diagmesh.contract.codec import decode_reply, encode
from diagmesh.contract.directory import Services
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.presence import Heartbeat
from diagmesh.contract.wire import Reply
from diagmesh.settings import CoordinatorSettings
from diagmesh_coordinator.program import Running
from support.crowd import Crowd, connz_reply

__all__ = ["BEAT_S", "Lab"]

BEAT_S: Final = 0.2


class Lab:
    """A server in memory, a coordinator, and instances that beat when told to."""

    def __init__(self, **settings: Any) -> None:
        self.crowd = Crowd(MemoryServer())
        self.bus = self.crowd.server.bus()
        self.connected: list[str] = []
        given = {"instance": "c1", "heartbeat_s": BEAT_S, "deadline_s": 1.0, **settings}
        self.coordinator = Running(self.crowd.server.bus(), CoordinatorSettings(**given), "c1")

    async def start(self, *, warm: bool = True) -> None:
        await self.crowd.on("$SYS.REQ.ACCOUNT.PING.CONNZ", lambda _: [connz_reply(*self.connected)])
        await self.coordinator.start()
        if warm:
            await asyncio.sleep(1.4 * BEAT_S)
            assert not self.coordinator.directory.warming

    async def beat(self, service: str, instance: str, **more: Any) -> None:
        given: dict[str, Any] = {"boot": "b1", "interval_s": 30.0, "server": "memory", "kinds": ("health",), **more}
        said = Heartbeat(v=1, **given)
        await self.bus.publish(f"diagev.hb.{service}.{instance}", encode(said))
        await asyncio.sleep(0)

    async def join(self, service: str, instance: str, *, answers: bool = True, **more: Any) -> None:
        if answers:
            await self.crowd.instance(service, instance)
        else:
            await self.crowd.mute(service)
        self.connected.append(f"diag/{service}/{instance}")
        await self.beat(service, instance, **more)

    async def ask(self, subject: str, body: object = None, headers: dict[str, str] | None = None) -> Reply:
        data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        return decode_reply((await self.bus.request(subject, data, timeout_s=3.0, headers=headers)).data)

    async def sum(self, kind: str = "health", **body: object) -> MeshAnswer:
        answered = await self.ask(f"diag.mesh.{kind}", body)
        assert isinstance(answered.answer, msgspec.Raw), answered.problem
        return msgspec.json.decode(answered.answer, type=MeshAnswer)

    async def services(self) -> Services:
        answered = await self.ask("diag.mesh.services")
        assert isinstance(answered.answer, msgspec.Raw), answered.problem
        return msgspec.json.decode(answered.answer, type=Services)
