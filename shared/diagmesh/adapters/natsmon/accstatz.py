"""ACCSTATZ: what each account counts; ACCOUNT.STATZ and ACCOUNT.CONNS say the same of one."""

from datetime import datetime

from msgspec import field

from diagmesh.adapters.natsmon.door import Part

__all__ = ["AccountStat", "Accstatz", "Flow"]


class Flow(Part, frozen=True, kw_only=True, gc=False):
    """Messages and bytes since the start of the server."""

    msgs: int = 0
    bytes: int = 0


class AccountStat(Part, frozen=True, kw_only=True, gc=False):
    """One account; ``received`` from its clients, ``sent`` to them, both since the start."""

    acc: str = ""
    name: str = ""
    conns: int = 0
    leafnodes: int = 0
    total_conns: int = 0
    num_subscriptions: int = 0
    sent: Flow = Flow()
    received: Flow = Flow()
    slow_consumers: int = 0


class Accstatz(Part, frozen=True, kw_only=True, gc=False):
    """All accounts in use (``unused=1``: all).

    Source: ``AccountStatz`` in server/monitor.go of nats-server.
    """

    server_id: str = ""
    now: datetime | None = None
    accounts: tuple[AccountStat, ...] = field(default=(), name="account_statz")
