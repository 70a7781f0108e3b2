"""Faults of streams and consumers, each made on a nats-server of its own or a cluster of three."""

import asyncio
import time
from typing import Final

from nats.errors import Error
from nats.js.api import ConsumerConfig, DiscardPolicy
from nats.js.client import JetStreamContext

from faults.rows import shop_fault
from faults.shop import USERS

__all__ = ["STREAMS"]

_PUBLISHES: Final = '[targets.streams]\npublishes = ["invoices.sent"]'


async def _unpulled(js: JetStreamContext) -> None:
    await js.add_stream(name="ORDERS", subjects=["orders.>"])
    await js.add_consumer("ORDERS", ConsumerConfig(durable_name="worker"))
    await _published(js, 20)


async def _unheard(js: JetStreamContext) -> None:
    await js.add_stream(name="ORDERS", subjects=["orders.>"])
    await js.add_consumer("ORDERS", ConsumerConfig(durable_name="mailer", deliver_subject="mail.out"))
    await _published(js, 5)


async def _full(js: JetStreamContext) -> None:
    await js.add_stream(name="ORDERS", subjects=["orders.>"], max_msgs=10, discard=DiscardPolicy.NEW)
    await _published(js, 10)


async def _dropped(js: JetStreamContext) -> None:
    await js.add_stream(name="ORDERS", subjects=["orders.>"], max_msgs=10)
    await js.add_consumer("ORDERS", ConsumerConfig(durable_name="worker"))
    await _published(js, 30)


async def _gone(js: JetStreamContext) -> None:
    await js.delete_stream("ORDERS")


async def _filled(js: JetStreamContext) -> None:
    await js.add_stream(name="ORDERS", subjects=["orders.>"])
    for _ in range(19):
        await js.publish("orders.new", b"x" * 5000)


async def _own(js: JetStreamContext) -> None:
    await js.add_stream(name="ORDERS", subjects=["orders.>"])
    own = {"io.nats.monitor.unprocessed-critical": "5"}
    await js.add_consumer("ORDERS", ConsumerConfig(durable_name="worker", metadata=own))
    await _published(js, 5)


async def _scattered(js: JetStreamContext) -> None:
    await js.add_stream(name="ORDERS", subjects=["orders.>"])
    for kind in ("a", "b", "c", "d"):
        await js.publish(f"orders.{kind}", b"{}")


async def _remembering(js: JetStreamContext) -> None:
    await js.add_stream(name="ORDERS", subjects=["orders.>"], duplicate_window=0.5, allow_direct=True)


async def _twice(js: JetStreamContext) -> None:
    for _ in range(2):
        await js.publish("orders.new", b"{}", headers={"Nats-Msg-Id": "order-1"})
        await asyncio.sleep(0.8)  # longer than the window


async def _forgotten(js: JetStreamContext) -> None:
    await js.purge_stream("ORDERS")


async def _replicated(js: JetStreamContext) -> None:
    """Tried again until the cluster has chosen a leader, and the copies have come."""
    until = time.monotonic() + 30
    while True:
        try:
            await js.add_stream(name="ORDERS", subjects=["orders.>"], num_replicas=3)
            break
        except (Error, TimeoutError):
            assert time.monotonic() < until, "no stream of three copies"
            await asyncio.sleep(0.5)
    await _published(js, 5)


async def _published(js: JetStreamContext, count: int) -> None:
    for _ in range(count):
        await js.publish("orders.new", b"{}")


STREAMS: Final = (
    shop_fault(
        "lag",
        "100 messages a second for a worker that takes 0.1 s for each",
        "JS-002",
        inject=lambda shop: shop.lag(),
        remove=lambda shop: shop.lag_no_more(),
    ),
    shop_fault(
        "nobody-pulls",
        "20 messages for a consumer that nobody pulls from",
        "JS-003",
        limits={"JS-003": {"idle_s": 3.0}},
        inject=lambda shop: shop.jetstream(_unpulled),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    shop_fault(
        "push-unheard",
        "5 messages for a push consumer to whose subject nobody subscribes",
        "JS-004",
        inject=lambda shop: shop.jetstream(_unheard),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    shop_fault(
        "stream-full",
        "10 messages in a stream that takes 10 and refuses more",
        "JS-008",
        inject=lambda shop: shop.jetstream(_full),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    shop_fault(
        "dropped",
        "30 messages in a stream that keeps 10, before its consumer got them",
        "JS-009",
        limits={"JS-003": {"idle_s": 3600.0}},
        inject=lambda shop: shop.jetstream(_dropped),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    shop_fault(
        "no-stream-takes-it",
        "its settings name a subject to which it publishes, and no stream takes it",
        "JS-013",
        inject=lambda shop: shop.at(more=_PUBLISHES),
        remove=lambda shop: shop.at(),
    ),
    shop_fault(
        "no-quorum",
        "SIGKILL to two of the three nats-servers of its cluster",
        "JS-011",
        "SRV-016",
        may=("SRV-001", "SRV-015"),
        client={"peers": 2},
        inject=lambda shop: shop.lose_peers(),
        remove=lambda shop: shop.regain_peers(),
    ),
    shop_fault(
        "own-threshold",
        "5 messages for a consumer whose own metadata allows 4",
        "JS-014",
        limits={"JS-003": {"idle_s": 3600.0}},
        inject=lambda shop: shop.jetstream(_own),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    shop_fault(
        "many-subjects",
        "4 subjects in a stream where 3 are many",
        "JS-015",
        limits={"JS-015": {"subjects_count": 3}},
        inject=lambda shop: shop.jetstream(_scattered),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    shop_fault(
        "stored-twice",
        "a message comes again after the duplicate window of its stream",
        "JS-010",
        server=USERS.replace('"$JS.API.INFO"', '"$JS.API.INFO", "$JS.API.DIRECT.GET.ORDERS"'),
        client={"prepare": _remembering, "more": '[targets.streams]\nnames = ["ORDERS"]\nids = ["ORDERS"]'},
        inject=lambda shop: shop.jetstream(_twice),
        remove=lambda shop: shop.jetstream(_forgotten),
    ),
    shop_fault(
        "replica-behind",
        "SIGKILL to the nats-server with one of the three copies of its stream",
        "JS-012",
        may=("SRV-015", "SRV-026"),
        limits={"JS-012": {"replica_s": 3.0}},
        client={"peers": 2, "prepare": _replicated},
        inject=lambda shop: shop.lose_copy("ORDERS"),
        remove=lambda shop: shop.regain_peers(),
    ),
    shop_fault(
        "account-full",
        "95 KB in an account that may store 100 KB",
        "SRV-011",
        server=USERS.replace("jetstream: enabled", "jetstream: { max_mem: 100KB, max_file: 100KB }"),
        inject=lambda shop: shop.jetstream(_filled),
        remove=lambda shop: shop.jetstream(_gone),
    ),
)
