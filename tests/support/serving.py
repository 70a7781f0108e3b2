"""Answers of nats-servers with nothing wrong, to vary; and the look at a real one."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from diagmesh.adapters.monitordoor import monitor_of
from diagmesh.contract.answers.server import Server, ServerQuestion, Sign, SignKind, Source
from diagmesh.contract.answers.server_parts import HealthCheck, JetStreamUse, Link, Load, Meta, MetaPeer, ServerLimits
from diagmesh.contract.wire import Blind, Reply
from diagmesh.diagnose import Diagnosis
from diagmesh.monitoring import MonitorDoor
from diagmesh.settings import NatsServerSettings, RuleSettings
from diagmesh.testing import FakeTarget
from diagmesh_agents.server import server
from support.natsserver import NatsServer
from support.ruling import judge, reply

__all__ = ["NODES", "SERVING", "USE", "blind_of", "cluster", "door_to", "judged", "look", "signed", "told_by"]

USE: Final = JetStreamUse(max_memory_bytes=1 << 30, memory_share=0.0, max_storage_bytes=1 << 30, storage_share=0.1)
SERVING: Final = Server(
    name="n1",
    id="N1",
    version="2.15.1",
    start=datetime(2026, 11, 27, 8, tzinfo=UTC),
    at=datetime(2026, 11, 27, 9, tzinfo=UTC),
    authentication=True,
    health=(HealthCheck(name="ready", ok=True, status_code=200),),
    load=Load(cpu_share=0.1, cores=2, memory_bytes=20 << 20, connections=5),
    limits=ServerLimits(
        max_connections=100, connections_share=0.05, max_payload_bytes=1 << 20, max_pending_bytes=64 << 20
    ),
    window_s=300.0,
    jetstream=USE,
)
"""Vary it with `msgspec.structs.replace`."""

NODES: Final = ("n1", "n2", "n3")


def signed(kind: SignKind, *, source: Source = Source.CLOSED, count: int = 1, **more: object) -> Server:
    """A server of which one sign was seen."""
    fields = {"who": ("reader",), "example": "words", **more}
    return replace(SERVING, signs=(Sign(kind=kind, source=source, count=count, **fields),))  # type: ignore[arg-type]


def blind_of(what: str) -> Server:
    """A server of which a part could not be seen."""
    return replace(SERVING, blind=(Blind(what=what, why="status 500"),))


def cluster(**changes: Server) -> list[Server]:
    """Three servers that form a cluster, some of them replaced."""
    made = []
    for name in NODES:
        others = [one for one in NODES if one != name]
        meta = Meta(leader="n1", leads=name == "n1", size=3, peers=tuple(MetaPeer(name=one) for one in others))
        routes = tuple(Link(name=one, connections=4) for one in others)
        one = replace(SERVING, name=name, id=name.upper(), cluster="c", meta=meta, routes=routes)
        made.append(changes.get(name) or one)
    return made


def judged(servers: Iterable[Server], *settings: RuleSettings) -> Diagnosis:
    """What all rules say of them; each is an instance of the service ``nats``."""
    replies: list[Reply] = [reply(one, name=f"nats/{one.name}") for one in servers]
    return judge(replies, *settings)


def door_to(server: NatsServer) -> MonitorDoor:
    """The way to its monitoring endpoint, as the settings of a sidecar make it."""
    return monitor_of(NatsServerSettings(monitor=server.monitor_url), "nats/n1")


async def look(door: MonitorDoor) -> Server:
    """What the agent answers."""
    answer = await server.look(ServerQuestion(), FakeTarget(monitor=door, service="nats", instance="n1"))
    assert isinstance(answer, Server)
    return answer


async def told_by(door: MonitorDoor) -> Diagnosis:
    """What all rules say of a real server."""
    return judged([await look(door)])
