"""``python -m bench.gatherers bare|natsext|ours URL N ROUNDS``: asks all N simulated instances again and again."""

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
import nats
import uvloop
from nats.aio.msg import Msg
from natsext import request_many

from bench.wire import SERVICE, Rounds, percentile
from diagmesh.bus.core import BusState
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.mesh import Ended
from diagmesh.contract.subjects import ask_all
from diagmesh.contract.wire import Reply
from diagmesh.expected import Expected, Key
from diagmesh.gather import Ask, Gather, Plan
from diagmesh.settings import NatsSettings

_WARM_UPS = 3
_PATIENCE_S = 10.0
_GC_THRESHOLD = 50_000
"""As the coordinator sets it; for all of them."""

Gatherer = Callable[[], Awaitable[int]]
"""One round; returns how many replies it decoded."""


async def bare(url: str, count: int) -> Gatherer:
    """nats-py at its best: one long-lived inbox, a callback that decodes and counts; no names, no attribution."""
    client = await nats.connect(url)
    decode = msgspec.json.Decoder(Reply).decode
    kept: list[Reply] = []
    done = asyncio.Event()
    inbox = client.new_inbox()

    async def take(message: Msg) -> None:
        kept.append(decode(message.data))
        if len(kept) == count:
            done.set()

    await client.subscribe(inbox, cb=take)

    async def once() -> int:
        kept.clear()
        done.clear()
        await client.publish(ask_all(SERVICE, "health"), b"", reply=inbox)
        async with asyncio.timeout(_PATIENCE_S):
            await done.wait()
        return len(kept)

    return once


async def natsext(url: str, count: int) -> Gatherer:
    """What people use who ask many: the extension of nats-py, with the same decoder."""
    client = await nats.connect(url)
    decode = msgspec.json.Decoder(Reply).decode

    async def once() -> int:
        replies = request_many(client, ask_all(SERVICE, "health"), max_messages=count, timeout=_PATIENCE_S)
        kept = [decode(message.data) async for message in replies]
        if len(kept) != count:
            raise RuntimeError(f"{len(kept)} of {count} replies came")
        return count

    return once


async def ours(url: str, count: int) -> Gatherer:
    """Our gather: every reply checked against where it arrived, the silent named, early end."""
    bus = NatsBus(NatsSettings(url=url), "bench/gather")
    bus.start()
    async with asyncio.timeout(_PATIENCE_S):
        while bus.state.state is not BusState.CONNECTED:
            await asyncio.sleep(0.01)
    plan = Plan(
        kind="health",
        asks=(Ask(service=SERVICE),),
        expected=tuple(Expected(key=Key(SERVICE, f"i{number}")) for number in range(count)),
        timeout_s=_PATIENCE_S,
    )

    async def once() -> int:
        gathered = await Gather(bus, plan).run()
        if gathered.ended is not Ended.COMPLETE:
            raise RuntimeError(f"the gather ended with {gathered.ended}: {gathered.notes}")
        return len(gathered.replies)

    return once


async def main(gatherer: str, url: str, count: int, rounds: int) -> Rounds:
    """Warm up, then measure."""
    once = await {"bare": bare, "natsext": natsext, "ours": ours}[gatherer](url, count)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    for _ in range(_WARM_UPS):
        await once()
    took_s, replies, cpu_s = [], 0, time.process_time()
    for _ in range(rounds):
        started = time.perf_counter()
        replies += await once()
        took_s.append(time.perf_counter() - started)
    return Rounds(
        rounds=rounds,
        replies=replies,
        p50_ms=1e3 * percentile(took_s, 0.50),
        p99_ms=1e3 * percentile(took_s, 0.99),
        cpu_us_per_reply=1e6 * (time.process_time() - cpu_s) / replies,
    )


if __name__ == "__main__":
    outcome = uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    print(msgspec.json.encode(outcome).decode(), flush=True)
