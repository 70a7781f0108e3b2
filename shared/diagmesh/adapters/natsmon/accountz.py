"""ACCOUNTZ: the accounts of a server, one of them in detail; ACCOUNT.INFO says the same of one."""

from datetime import datetime

from diagmesh.adapters.natsmon.connz import Connection
from diagmesh.adapters.natsmon.door import Part

__all__ = ["Account", "AccountClaims", "AccountLimits", "Accountz", "Export", "Import", "Mapping"]


class Mapping(Part, frozen=True, kw_only=True, gc=False):
    """One destination of a subject mapping; ``weight`` in percent."""

    subject: str = ""
    weight: int = 0
    cluster: str = ""


class Export(Part, frozen=True, kw_only=True, gc=False):
    """A subject that the account lends to others."""

    subject: str = ""
    type: str = ""
    response_type: str = ""
    allow_trace: bool = False


class Import(Part, frozen=True, kw_only=True, gc=False):
    """A subject that the account has from another."""

    subject: str = ""
    account: str = ""
    to: str = ""
    local_subject: str = ""
    type: str = ""
    invalid: bool = False
    share: bool = False


class AccountLimits(Part, frozen=True, kw_only=True, gc=False):
    """The limits of an account with a JWT; below zero is none, 0 of ``conn`` lets nobody in."""

    subs: int = -1
    data: int = -1
    payload: int = -1
    imports: int = -1
    exports: int = -1
    conn: int = -1
    leaf: int = -1


class _NatsClaims(Part, frozen=True, kw_only=True, gc=False):
    limits: AccountLimits = AccountLimits()


class AccountClaims(Part, frozen=True, kw_only=True, gc=False):
    """The decoded JWT of an account; ``exp`` in Unix seconds, 0 for never."""

    name: str = ""
    sub: str = ""
    exp: int = 0
    nats: _NatsClaims = _NatsClaims()


class Account(Part, frozen=True, kw_only=True, gc=False):
    """One account, as this server has it."""

    account_name: str = ""
    name_tag: str = ""
    update_time: datetime | None = None
    is_system: bool = False
    expired: bool = False
    complete: bool = False
    jetstream_enabled: bool = False
    leafnode_connections: int = 0
    client_connections: int = 0
    subscriptions: int = 0
    mappings: dict[str, tuple[Mapping, ...]] = {}
    exports: tuple[Export, ...] = ()
    imports: tuple[Import, ...] = ()
    issuer_key: str = ""
    decoded_jwt: AccountClaims | None = None
    clients: tuple[Connection, ...] = ()


class Accountz(Part, frozen=True, kw_only=True, gc=False):
    """The names of the accounts, or one of them in detail (``acc=``).

    Source: ``Accountz`` and ``AccountInfo`` in server/monitor.go of nats-server.
    """

    server_id: str = ""
    now: datetime | None = None
    system_account: str = ""
    accounts: tuple[str, ...] = ()
    account_detail: Account | None = None
