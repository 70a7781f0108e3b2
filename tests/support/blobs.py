"""Members of a real mesh whose answers are as large as they are asked to be, served in this process."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Annotated, Any, Final

import msgspec

from diagmesh.bus.nats import NatsBus
from diagmesh.contract.wire import Answer, Question
from diagmesh.declare import agent
from diagmesh.member import Member, addresses_of_instance, new_boot
from diagmesh.serve import AgentKinds, Identity
from diagmesh.settings import NatsSettings
from diagmesh.testing import FakeTarget
from support.smallmesh import HEARTBEAT_S, SmallMesh

__all__ = ["KIB", "Blob", "BlobQuestion", "blobs"]

KIB: Final = 1024
_LARGEST: Final = 64 * KIB


class BlobQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """How much to say."""

    kib: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)] = 1
    numbers: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class Blob(Answer, frozen=True, kw_only=True, gc=False):
    """That much, and one of each sort of value; and as many short fractions as were asked for."""

    text: str
    numbers: list[float] = []
    share: float = 0.1
    nothing: None = None
    n: int = 7


@agent(budget=20.0, concurrency=8)
async def blob(question: BlobQuestion, target: Any) -> Blob:
    """Say a lot."""
    looks[f"{target.service}/{target.instance}"] += 1
    return Blob(text=_text(question.kib), numbers=[0.5] * question.numbers)


looks: Final = Counter[str]()
"""How often each instance (``service/instance``) looked."""


@cache
def _text(kib: int) -> str:
    """Not one letter again and again: a chunk in the wrong place must be seen."""
    return "".join(f"{number:016x}" for number in range(kib * KIB // 16))


@contextlib.asynccontextmanager
async def blobs(
    mesh: SmallMesh, service: str, *instances: str, labels: Mapping[str, dict[str, str]] | None = None
) -> AsyncIterator[None]:
    """Instances in the role of the agents of a service, each with its connection and heartbeats, as a sidecar's.

    ``labels`` are by instance.
    """
    async with contextlib.AsyncExitStack() as around:
        for instance in instances:
            settings = NatsSettings(
                url=mesh.url,
                nkey_file=str(mesh.ring.seed_file(f"agent-{service}")),
                inbox_prefix=f"_INBOX_agent_{service}",
            )
            bus = await NatsBus.connect(settings, f"diag/{service}/{instance}")
            around.push_async_callback(bus.close)
            us = Identity(service=service, instance=instance, boot=new_boot(), host="here")
            beside = FakeTarget(service=service, instance=instance)
            kinds, addresses = AgentKinds([blob], beside), addresses_of_instance(service, instance)
            told = (labels or {}).get(instance, {})
            member = Member(bus, us, kinds, addresses, heartbeat_s=HEARTBEAT_S, labels=told)
            await member.start()
            around.push_async_callback(member.drain, 5.0)
        yield
