"""The replies of one nats-server at one moment, live or saved, of which a picture is made."""

from collections.abc import Mapping

import msgspec

from diagmesh.adapters.natsmon.accountz import Account
from diagmesh.adapters.natsmon.accstatz import Accstatz
from diagmesh.adapters.natsmon.connz import Connz
from diagmesh.adapters.natsmon.gatewayz import Gatewayz
from diagmesh.adapters.natsmon.healthz import Healthz
from diagmesh.adapters.natsmon.jsz import Jsz
from diagmesh.adapters.natsmon.leafz import Leafz
from diagmesh.adapters.natsmon.raftz import RaftState
from diagmesh.adapters.natsmon.routez import Routez
from diagmesh.adapters.natsmon.subsz import Subsz
from diagmesh.adapters.natsmon.varz import Varz
from diagmesh.contract.wire import Blind

__all__ = ["Health", "Replies"]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """One variant of the health check: its reply, and the status of HTTP."""

    status: int | None
    body: Healthz


class Replies(msgspec.Struct, frozen=True, kw_only=True):
    """What was replied; None where nothing was asked, or nothing came (``blind`` says why).

    Args:
        varz: the server; without it there is no picture.
        health: by variant.
        connz: open connections, those with the most pending bytes first.
        closed: ended connections, the last ones first.
        accounts: in detail, by name.
        meta: the meta group of RAFTZ.
        log: lines of its log; None where it was not read, as ever when the server is asked.
        client_errors: lines that clients wrote; likewise.
        blind: what could not be had.
    """

    varz: Varz
    health: Mapping[str, Health] = {}
    connz: Connz | None = None
    closed: Connz | None = None
    subsz: Subsz | None = None
    jsz: Jsz | None = None
    accstatz: Accstatz | None = None
    accounts: Mapping[str, Account] = {}
    leafz: Leafz | None = None
    routez: Routez | None = None
    gatewayz: Gatewayz | None = None
    meta: RaftState | None = None
    log: tuple[str, ...] | None = None
    client_errors: tuple[str, ...] | None = None
    blind: tuple[Blind, ...] = ()
