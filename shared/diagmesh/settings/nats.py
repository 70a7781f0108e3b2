"""Connections to NATS, and the credentials for them."""

import re
from typing import Annotated, Final

from msgspec import Meta

from diagmesh.settings.table import Seconds, Table

__all__ = ["ConnectionSettings", "CoordinatorNatsSettings", "NatsSettings"]

_INBOX: Final = re.compile(r"_INBOX(_[A-Za-z0-9_-]+)?(\.[A-Za-z0-9_-]+)*\Z")


class NatsSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One connection to NATS. Secrets are named by file only, so that they never stand in settings or a process list.

    Args:
        url: one or more servers, separated by commas; tried in random order.
        nkey_file: file with the seed of a user nkey (mode 0600).
        creds_file: credentials file of an operator-mode user; excludes ``nkey_file``.
        inbox_prefix: where answers to us arrive; the server's permissions must allow it.
        tls_ca_file: CA bundle for a private server certificate.
        tls_first: do the TLS handshake before the server's greeting; refuses a plain-text server.
        tls_server_name: name in the server's certificate, where it is not that of the URL.
        tls_cert_file: certificate of ours, for a server that asks for one.
        tls_key_file: its private key (mode 0600).
        connect_timeout_s: for one attempt at one server.
    """

    url: str = "nats://127.0.0.1:4222"
    nkey_file: str = ""
    creds_file: str = ""
    inbox_prefix: str = "_INBOX"
    tls_ca_file: str = ""
    tls_first: bool = False
    tls_server_name: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    connect_timeout_s: Seconds = 2.0

    def __post_init__(self) -> None:
        """Agents answer to inboxes only, so everything else would be waiting for nothing."""
        if not _INBOX.match(self.inbox_prefix):
            raise ValueError(f"inbox_prefix {self.inbox_prefix!r} must be _INBOX, or _INBOX_ and a name (_INBOX_coord)")


class ConnectionSettings(NatsSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the service itself connects to NATS (``[targets.connection]``): what `connection` knocks at, and as whom.

    Args:
        client_name: what the service calls its connections, by which earlier ones of it are known.
        answers: subjects that it subscribes to and must answer on, as it writes them (``orders.*.get``).
    """

    client_name: str = ""
    answers: Annotated[tuple[Annotated[str, Meta(pattern=r"^\S{1,255}$")], ...], Meta(max_length=64)] = ()


class CoordinatorNatsSettings(NatsSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The connection of a coordinator: the inbox is that of its role (see the roles of the server configuration)."""

    inbox_prefix: str = "_INBOX_coord"
