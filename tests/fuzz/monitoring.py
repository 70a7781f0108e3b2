"""What a nats-server says of itself, which may be a newer one, or none at all."""

import contextlib
from typing import Final

from diagmesh.adapters.natsmon import BadReply, plain, told
from diagmesh.adapters.natsmon.accountz import Accountz
from diagmesh.adapters.natsmon.accstatz import Accstatz
from diagmesh.adapters.natsmon.connz import Connz
from diagmesh.adapters.natsmon.events import ClientEvent
from diagmesh.adapters.natsmon.gatewayz import Gatewayz
from diagmesh.adapters.natsmon.healthz import Healthz
from diagmesh.adapters.natsmon.jsz import Jsz
from diagmesh.adapters.natsmon.leafz import Leafz
from diagmesh.adapters.natsmon.raftz import Raftz
from diagmesh.adapters.natsmon.routez import Routez
from diagmesh.adapters.natsmon.spans import parse_span_s
from diagmesh.adapters.natsmon.statsz import Statsz
from diagmesh.adapters.natsmon.subsz import Subsz
from diagmesh.adapters.natsmon.varz import Varz
from diagmesh.contract.codec import encode
from fuzz.target import Target, text_of

__all__ = ["KINDS", "TARGETS"]

KINDS: Final[tuple[type[object], ...]] = (
    Varz,
    Connz,
    Jsz,
    Subsz,
    Healthz,
    Leafz,
    Routez,
    Gatewayz,
    Accountz,
    Accstatz,
    Statsz,
    Raftz,
    ClientEvent,
)


def _monitoring(data: bytes) -> None:
    """The first byte says what was asked for."""
    kind, data = KINDS[(data[0] if data else 0) % len(KINDS)], data[1:]
    with contextlib.suppress(BadReply):
        encode(told(data, kind))
    with contextlib.suppress(BadReply):
        encode(plain(data, kind))


def _spans(data: bytes) -> None:
    seconds = parse_span_s(text_of(data))
    assert seconds is None or 0 <= seconds < float("inf")


TARGETS: Final = (
    Target(
        "monitoring",
        _monitoring,
        ("diagmesh.adapters.natsmon.door",),
        (
            b'\x00{"server_id":"N","cpu":1,"jetstream":null,"start":"2026-11-23T14:45:30.065063297Z","tags":null}',
            b'\x01{"server":{"name":"a","tags":null},"data":{"connections":[{"cid":8,"rtt":"1ms"},null]}}',
            b'\x02{"reserved_memory":18446744073709551615,"meta_cluster":{"replicas":null}}',
            b'\x04{"server":{"id":"N"},"error":{"code":400,"description":"no"}}',
            b'\x0b{"SYS":{"_meta_":{"peers":{"x":{"name":"n2"}}}}}',
        ),
    ),
    Target(
        "spans",
        _spans,
        ("diagmesh.adapters.natsmon.spans",),
        (b"2.171395ms", b"1y2d3h4m5s", "443µs".encode(), b"0s", b"9" * 50 + b"h"),
    ),
)
