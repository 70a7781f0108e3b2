"""``python -m bench.responders bare|runtime URL``: answers ``diag.sim.health``, with our runtime or without."""

import asyncio
import sys
from datetime import UTC, datetime

import msgspec
import nats
import uvloop
from nats.aio.msg import Msg

from bench.wire import SERVICE, an_answer
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.health import Health
from diagmesh.contract.codec import encode
from diagmesh.contract.subjects import ask_one
from diagmesh.contract.wire import WIRE_VERSION, Nothing, Reply, Status
from diagmesh.declare import agent
from diagmesh.member import Member, addresses_of_instance, new_boot
from diagmesh.serve import AgentKinds, Identity
from diagmesh.settings import NatsSettings
from diagmesh.target import Target
from diagmesh.testing import FakeTarget

_ANSWER = an_answer()


async def bare(url: str) -> None:
    """What a nats-py user would write at its best: a callback, msgspec, no checks."""
    client = await nats.connect(url)

    async def take(message: Msg) -> None:
        reply = Reply(
            v=WIRE_VERSION,
            service=SERVICE,
            instance="i1",
            boot="0123456789abcdef",
            host="bench",
            kind="health",
            status=Status.ANSWERED,
            observed_at=datetime.now(UTC),
            took_ms=0.1,
            answer=msgspec.Raw(encode(_ANSWER)),
        )
        await client.publish(message.reply, encode(reply))

    await client.subscribe(ask_one(SERVICE, "health"), cb=take)
    await asyncio.Event().wait()


@agent(concurrency=1024)
async def health(question: Nothing, target: Target) -> Health:
    """An answer that is there already, so that only the runtime around it is measured."""
    return _ANSWER


async def runtime(url: str) -> None:
    """Our sidecar's runtime: strict decoding, budget, limits, counting, one reply whatever happens."""
    bus = NatsBus(NatsSettings(url=url), f"diag/{SERVICE}/i1")
    bus.start()
    member = Member(
        bus,
        Identity(service=SERVICE, instance="i1", boot=new_boot(), host="bench"),
        AgentKinds([health], FakeTarget()),
        addresses_of_instance(SERVICE, "i1"),
        concurrency=1024,
    )
    await member.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run({"bare": bare, "runtime": runtime}[sys.argv[1]](sys.argv[2]))
