"""Faults of NATS, each made on a nats-server of its own: as the service sees it, and as the server sees it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from faults.rows import shop_fault
from faults.shop import Shop
from faults.signed import OPERATOR, Signed
from support.linked import tell
from support.operators import Operator, creds
from support.ports import free_port

__all__ = ["SERVERS"]

_DAY_S: Final = 86_400
_LEAF_PORT: Final = free_port()


def _kill(shop: Shop) -> None:
    shop.server.kill()


def _reconfigured(more: str = "", *, old: str = "", new: str = "") -> Callable[[Shop], None]:
    def act(shop: Shop) -> None:
        shop.server.configure(shop.config.replace(old, new) + more)
        shop.server.reload()

    return act


def _signed(act: Callable[[Signed], object]) -> Callable[[Shop], None]:
    """Does something to one whose server knows it by JWT."""

    def do(shop: Shop) -> None:
        assert isinstance(shop, Signed)
        act(shop)

    return do


def _flood(times: int) -> Callable[[Shop], None]:
    def act(shop: Shop) -> None:
        tell(shop.another("load"), f"publish feed 60000 {times}", done=False)

    return act


def _expired(shop: Shop) -> Path:
    file = shop.server.directory / "expired.creds"
    file.write_text(creds(*Operator().user(int(time.time()) - 3600)), encoding="utf-8")
    return file


SERVERS: Final = (
    shop_fault("server-killed", "SIGKILL to its nats-server", "NATS-001", inject=_kill),
    shop_fault(
        "server-frozen",
        "SIGSTOP to its nats-server",
        "NATS-003",
        inject=lambda shop: shop.server.freeze(),
    ),
    shop_fault(
        "swallowed",
        "its settings name a door that answers no attempt to connect, as a firewall that drops",
        "NATS-002",
        inject=lambda shop: shop.swallowed(),
        remove=lambda shop: shop.at(),
    ),
    shop_fault(
        "wrong-port",
        "its settings name the monitoring port of its nats-server",
        "NATS-004",
        inject=lambda shop: shop.at(f"nats://127.0.0.1:{shop.server.monitor_port}"),
        remove=lambda shop: shop.at(),
    ),
    shop_fault(
        "leafnode-port",
        "its settings name the leafnode port of its nats-server",
        "NATS-004",
        config=f"leafnodes {{ listen: '127.0.0.1:{_LEAF_PORT}' }}\n",
        inject=lambda shop: shop.at(f"nats://127.0.0.1:{_LEAF_PORT}"),
        remove=lambda shop: shop.at(),
    ),
    shop_fault(
        "no-tls",
        "its settings want TLS, which its nats-server does not have",
        "NATS-006",
        inject=lambda shop: shop.at(shop.url.replace("nats://", "tls://")),
        remove=lambda shop: shop.at(),
    ),
    shop_fault(
        "name-unknown",
        "its settings name a host that no DNS knows",
        "NATS-005",
        inject=lambda shop: shop.at("nats://no-such-host.invalid:4222"),
        remove=lambda shop: shop.at(),
    ),
    shop_fault(
        "wrong-password",
        "its settings have a wrong password",
        "NATS-007",
        "SRV-021",
        inject=lambda shop: shop.at(shop.url.replace("app:app", "app:wrong")),
    ),
    shop_fault(
        "expired-jwt",
        "its settings name a JWT that has expired",
        "NATS-008",
        "SRV-021",
        inject=lambda shop: shop.at(shop.server.url, more=f'creds_file = "{_expired(shop)}"'),
    ),
    shop_fault(
        "payload",
        "it publishes 2,000 bytes where 1,024 are allowed",
        "NATS-013",
        "SRV-023",
        config="max_payload: 1024\n",
        inject=lambda shop: shop.tell("publish big 2000 1"),
    ),
    shop_fault(
        "server-full",
        "others take the last connections that its nats-server allows",
        "NATS-009",
        "SRV-009",
        config="max_connections: 6\n",
        inject=lambda shop: [shop.another(f"other{number}") for number in range(5)],
    ),
    shop_fault(
        "rotated",
        "its password is changed at its nats-server, which is reloaded",
        "NATS-018",
        "SRV-021",
        inject=_reconfigured(old="password: app", new="password: changed"),
    ),
    shop_fault(
        "lame-duck",
        "its nats-server is told to leave (lame duck)",
        "NATS-016",
        "SRV-002",
        config='lame_duck_duration: "120s"\nlame_duck_grace_period: "100s"\n',
        inject=lambda shop: shop.server.lame_duck(),
    ),
    shop_fault(
        "stale",
        "SIGSTOP to it, where the nats-server pings each second",
        "NATS-017",
        "SRV-024",
        "PROC-002",
        config='ping_interval: "1s"\nping_max: 1\n',
        inject=lambda shop: shop.freeze(),
    ),
    shop_fault(
        "slow-consumer",
        "it does not read, where 1 MB may wait for it",
        "NATS-010",
        "SRV-004",
        config='max_pending: 1MB\nwrite_deadline: "2s"\nno_fast_producer_stall: true\n',
        client={"reads": False, "subscribe": ["quiet", "feed"]},
        may=("NATS-011", "SRV-027"),
        inject=_flood(400),
    ),
    shop_fault(
        "not-reading",
        "it does not read, where 64 MB may wait for it",
        "NATS-011",
        client={"reads": False, "subscribe": ["feed"]},
        config="max_pending: 64MB\n",
        inject=_flood(250),
    ),
    shop_fault(
        "held-up",
        "it does not read, and who writes to it is held up",
        "NATS-012",
        "SRV-019",
        client={"reads": False, "subscribe": ["feed"]},
        config='max_pending: 64MB\nwrite_deadline: "300s"\n',
        may=("NATS-011", "SRV-027"),
        inject=lambda shop: shop.hold_up(0.8),
    ),
    shop_fault(
        "subscriptions-near",
        "9 subscriptions where its JWT allows 10",
        "NATS-014",
        server=OPERATOR.config,
        client={"subs": 10, "subscribe": 5},
        inject=_signed(lambda shop: shop.subscriptions(9)),
        remove=_signed(lambda shop: shop.subscriptions(5)),
    ),
    shop_fault(
        "jwt-ends-soon",
        "a JWT that is good for two of its thirty days is put into its file",
        "NATS-022",
        server=OPERATOR.config,
        inject=_signed(lambda shop: shop.issue(ago_s=28 * _DAY_S, left_s=2 * _DAY_S)),
        remove=_signed(lambda shop: shop.issue()),
    ),
    shop_fault(
        "jwt-ended",
        "its JWT ends while it is connected",
        "NATS-019",
        "SRV-021",
        may=("NATS-022",),
        server=OPERATOR.config,
        inject=_signed(lambda shop: shop.restarted(left_s=12)),
    ),
    shop_fault(
        "no-answer",
        "20 requests a second on a subject that its settings say it answers, and it does not",
        "NATS-024",
        client={"subscribe": ["orders.get"], "more": 'answers = ["orders.get"]'},
        inject=lambda shop: shop.asked("orders.get"),
        remove=lambda shop: shop.without_others(),
    ),
    shop_fault(
        "comes-and-goes",
        "a client connects and goes 30 times",
        "SRV-020",
        inject=lambda shop: shop.another("restless", reconnects=30),
    ),
)
"""Where no act takes it back the copy leaves with its server: the server tells of such things for five minutes."""
