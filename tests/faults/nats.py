"""Faults of NATS, each made on a nats-server of its own: as the service sees it, and as the server sees it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nats.js.api import ConsumerConfig, DiscardPolicy
from nats.js.client import JetStreamContext

from faults.fault import Act, Fault
from faults.mesh import SHOP, Copy
from faults.shop import USERS, Shop
from support.linked import tell
from support.operators import Operator, creds
from support.ports import free_port

__all__ = ["SHOPS"]

_LEAF_PORT: Final = free_port()


def _shop(act: Callable[[Shop], object]) -> Act:
    """Does something to a copy that has a server of its own."""

    def do(copy: Copy, _: Path) -> None:
        assert isinstance(copy, Shop)
        act(copy)

    return do


def _fault(name: str, does: str, *codes: str, inject: Callable[[Shop], object], **more: Any) -> Fault:
    remove = more.pop("remove", None)
    config = more.pop("config", "")
    return Fault(
        name=name,
        does=does,
        inject=_shop(inject),
        remove=None if remove is None else _shop(remove),
        codes=codes,
        service=SHOP,
        server=USERS + config,
        **more,
    )


def _kill(shop: Shop) -> None:
    shop.server.kill()


def _reconfigured(more: str = "", *, old: str = "", new: str = "") -> Callable[[Shop], None]:
    def act(shop: Shop) -> None:
        shop.server.configure(shop.config.replace(old, new) + more)
        shop.server.reload()

    return act


def _flood(times: int) -> Callable[[Shop], None]:
    def act(shop: Shop) -> None:
        tell(shop.another("load"), f"publish feed 60000 {times}", done=False)

    return act


def _expired(shop: Shop) -> Path:
    file = shop.server.directory / "expired.creds"
    file.write_text(creds(*Operator().user(int(time.time()) - 3600)), encoding="utf-8")
    return file


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


async def _published(js: JetStreamContext, count: int) -> None:
    for _ in range(count):
        await js.publish("orders.new", b"{}")


SHOPS: Final = (
    _fault("server-killed", "SIGKILL to its nats-server", "NATS-001", inject=_kill),
    _fault(
        "server-frozen",
        "SIGSTOP to its nats-server",
        "NATS-003",
        inject=lambda shop: shop.server.freeze(),
    ),
    _fault(
        "swallowed",
        "its settings name a door that answers no attempt to connect, as a firewall that drops",
        "NATS-002",
        inject=lambda shop: shop.swallowed(),
        remove=lambda shop: shop.at(),
    ),
    _fault(
        "wrong-port",
        "its settings name the monitoring port of its nats-server",
        "NATS-004",
        inject=lambda shop: shop.at(f"nats://127.0.0.1:{shop.server.monitor_port}"),
        remove=lambda shop: shop.at(),
    ),
    _fault(
        "leafnode-port",
        "its settings name the leafnode port of its nats-server",
        "NATS-004",
        config=f"leafnodes {{ listen: '127.0.0.1:{_LEAF_PORT}' }}\n",
        inject=lambda shop: shop.at(f"nats://127.0.0.1:{_LEAF_PORT}"),
        remove=lambda shop: shop.at(),
    ),
    _fault(
        "no-tls",
        "its settings want TLS, which its nats-server does not have",
        "NATS-006",
        inject=lambda shop: shop.at(shop.url.replace("nats://", "tls://")),
        remove=lambda shop: shop.at(),
    ),
    _fault(
        "name-unknown",
        "its settings name a host that no DNS knows",
        "NATS-005",
        inject=lambda shop: shop.at("nats://no-such-host.invalid:4222"),
        remove=lambda shop: shop.at(),
    ),
    _fault(
        "wrong-password",
        "its settings have a wrong password",
        "NATS-007",
        "SRV-021",
        inject=lambda shop: shop.at(shop.url.replace("app:app", "app:wrong")),
    ),
    _fault(
        "expired-jwt",
        "its settings name a JWT that has expired",
        "NATS-008",
        "SRV-021",
        inject=lambda shop: shop.at(shop.server.url, more=f'creds_file = "{_expired(shop)}"'),
    ),
    _fault(
        "payload",
        "it publishes 2,000 bytes where 1,024 are allowed",
        "NATS-013",
        "SRV-023",
        config="max_payload: 1024\n",
        inject=lambda shop: shop.tell("publish big 2000 1"),
    ),
    _fault(
        "server-full",
        "others take the last connections that its nats-server allows",
        "NATS-009",
        "SRV-009",
        config="max_connections: 6\n",
        inject=lambda shop: [shop.another(f"other{number}") for number in range(5)],
    ),
    _fault(
        "rotated",
        "its password is changed at its nats-server, which is reloaded",
        "NATS-018",
        "SRV-021",
        inject=_reconfigured(old="password: app", new="password: changed"),
    ),
    _fault(
        "lame-duck",
        "its nats-server is told to leave (lame duck)",
        "NATS-016",
        "SRV-002",
        config='lame_duck_duration: "120s"\nlame_duck_grace_period: "100s"\n',
        inject=lambda shop: shop.server.lame_duck(),
    ),
    _fault(
        "stale",
        "SIGSTOP to it, where the nats-server pings each second",
        "NATS-017",
        "SRV-024",
        "PROC-002",
        config='ping_interval: "1s"\nping_max: 1\n',
        inject=lambda shop: shop.freeze(),
    ),
    _fault(
        "slow-consumer",
        "it does not read, where 1 MB may wait for it",
        "NATS-010",
        "SRV-004",
        config='max_pending: 1MB\nwrite_deadline: "2s"\nno_fast_producer_stall: true\n',
        client={"reads": False, "subscribe": ["quiet", "feed"]},
        may=("NATS-011", "SRV-027"),
        inject=_flood(400),
    ),
    _fault(
        "not-reading",
        "it does not read, where 64 MB may wait for it",
        "NATS-011",
        client={"reads": False, "subscribe": ["feed"]},
        config="max_pending: 64MB\n",
        inject=_flood(250),
    ),
    _fault(
        "held-up",
        "it does not read, and who writes to it is held up",
        "NATS-012",
        "SRV-019",
        client={"reads": False, "subscribe": ["feed"]},
        config='max_pending: 64MB\nwrite_deadline: "300s"\n',
        may=("NATS-011", "SRV-027"),
        inject=lambda shop: shop.hold_up(0.8),
    ),
    _fault(
        "lag",
        "100 messages a second for a worker that takes 0.1 s for each",
        "JS-002",
        inject=lambda shop: shop.lag(),
        remove=lambda shop: shop.lag_no_more(),
    ),
    _fault(
        "nobody-pulls",
        "20 messages for a consumer that nobody pulls from",
        "JS-003",
        limits={"JS-003": {"idle_s": 3.0}},
        inject=lambda shop: shop.jetstream(_unpulled),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    _fault(
        "push-unheard",
        "5 messages for a push consumer to whose subject nobody subscribes",
        "JS-004",
        inject=lambda shop: shop.jetstream(_unheard),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    _fault(
        "stream-full",
        "10 messages in a stream that takes 10 and refuses more",
        "JS-008",
        inject=lambda shop: shop.jetstream(_full),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    _fault(
        "dropped",
        "30 messages in a stream that keeps 10, before its consumer got them",
        "JS-009",
        limits={"JS-003": {"idle_s": 3600.0}},
        inject=lambda shop: shop.jetstream(_dropped),
        remove=lambda shop: shop.jetstream(_gone),
    ),
    _fault(
        "no-stream-takes-it",
        "its settings name a subject to which it publishes, and no stream takes it",
        "JS-013",
        inject=lambda shop: shop.at(publishes='"invoices.sent"'),
        remove=lambda shop: shop.at(),
    ),
    _fault(
        "no-quorum",
        "SIGKILL to two of the three nats-servers of its cluster",
        "JS-011",
        "SRV-016",
        may=("SRV-001", "SRV-015"),
        client={"peers": 2},
        inject=lambda shop: shop.lose_peers(),
        remove=lambda shop: shop.regain_peers(),
    ),
)
"""Where no act takes it back the copy leaves with its server: the server tells of such things for five minutes."""
