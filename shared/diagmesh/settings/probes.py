"""Doors of a service that are knocked at."""

from typing import Annotated

from msgspec import Meta

from diagmesh.settings.table import Table

__all__ = ["ProbeSettings"]


class ProbeSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One door of the service: exactly one of ``http``, ``tcp``, ``nats`` and ``srv``.

    Args:
        name: how the answer calls it; default: its target.
        http: URL that is fetched with GET.
        expect_status: HTTP status codes that are fine (default 200 to 299).
        expect_body: text (UTF-8, no pattern) that must stand in the first 64 KiB of the body.
        tcp: ``host:port`` that must accept a connection.
        nats: subject that must answer a request with an empty body (needs ``target.nats``).
        srv: name of a NATS service that must answer ``$SRV.PING`` (needs ``target.nats``).
        timeout_s: after which the probe counts as failed.
        required: whether failing means *down* (true) or *degraded* (false).
        tls_ca_file: CA bundle for ``https``; a chain that breaks RFC 5280 (a CA without key usage, say) is refused.
        headers: request headers of ``http``; values of the form ``file:PATH`` are read from that file.
    """

    name: str = ""
    http: str = ""
    expect_status: tuple[Annotated[int, Meta(ge=100, le=599)], ...] = ()
    expect_body: str = ""
    tcp: str = ""
    nats: str = ""
    srv: str = ""
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 1.0
    required: bool = True
    tls_ca_file: str = ""
    headers: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Exactly one door per probe."""
        if sum(map(bool, (self.http, self.tcp, self.nats, self.srv))) != 1:
            raise ValueError("a probe needs exactly one of http, tcp, nats, srv")
