"""``python -m bench.natscrowd URL S C``: an instance with S subscriptions, a stream with C consumers; then waits."""

import asyncio
import sys

import msgspec
import nats
from nats.aio.client import Client

_AT_A_TIME = 50
_FLUSH_S = 60


async def main(url: str, subscriptions: int, consumers: int) -> None:
    """Say ``ready`` when all of it is there."""
    service = await nats.connect(url, name="bench-service")

    async def heard(_: object) -> None:
        """Nothing comes."""

    for number in range(subscriptions):
        await service.subscribe(f"bench.{number}.>", cb=heard)
        if number % 500 == 499:
            await service.flush(_FLUSH_S)
    await service.flush(_FLUSH_S)
    stream = {"name": "BENCH", "subjects": ["orders.>"], "storage": "memory", "max_consumers": -1}
    await _asked(service, "STREAM.CREATE.BENCH", stream)
    for start in range(0, consumers, _AT_A_TIME):
        names = [f"c{number}" for number in range(start, min(consumers, start + _AT_A_TIME))]
        await asyncio.gather(*(_consumer(service, name) for name in names))
    await service.jetstream().publish("orders.new", b"{}")
    print("ready", flush=True)
    await asyncio.sleep(600)


async def _consumer(client: Client, name: str) -> None:
    config = {"durable_name": name, "ack_policy": "explicit", "mem_storage": True}
    await _asked(client, f"CONSUMER.CREATE.BENCH.{name}", {"stream_name": "BENCH", "config": {**config, "name": name}})


async def _asked(client: Client, what: str, body: dict[str, object]) -> None:
    reply = await client.request(f"$JS.API.{what}", msgspec.json.encode(body), timeout=_FLUSH_S)
    if b'"error"' in reply.data:
        raise RuntimeError(f"{what}: {reply.data.decode()}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
