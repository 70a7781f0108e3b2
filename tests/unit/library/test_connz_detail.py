"""Connections looked at closely: each server that was there before is waited for, also the one that is slower now."""

import asyncio

import msgspec

from diagmesh.adapters import connz
from diagmesh.adapters.observer import Observer
from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer

SLOW_S = 0.5


def reply(server: str, *cids: int) -> bytes:
    ones = [{"cid": cid, "ip": "127.0.0.1", "port": 1} for cid in cids]
    return msgspec.json.encode({"server": {"name": server, "id": server}, "data": {"connections": ones}})


async def test_the_one_that_has_it_may_be_the_last_to_answer() -> None:
    server = MemoryServer()
    bus, tasks = MemoryBus(server), set[asyncio.Task[None]]()

    async def answers(name: str, after_s: float, *cids: int) -> None:
        async def later(message: Message) -> None:
            await asyncio.sleep(after_s)
            await bus.publish(message.reply, reply(name, *cids))

        def heard(message: Message) -> None:
            tasks.add(asyncio.create_task(later(message)))

        await bus.subscribe(connz.SUBJECT, heard)

    await answers("n1", 0.0)
    await answers("n2", SLOW_S, 7)
    observer = Observer(bus)
    assert set(await connz.detail(observer, [7], 5.0, servers=2)) == {("n2", 7)}
    assert await connz.detail(observer, [7], 5.0) == {}, "how many there are was not known"
    await asyncio.gather(*tasks)
