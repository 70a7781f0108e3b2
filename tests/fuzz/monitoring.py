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
from diagmesh.adapters.natsmon.picture import picture, seen_of
from diagmesh.adapters.natsmon.raftz import Raftz
from diagmesh.adapters.natsmon.routez import Routez
from diagmesh.adapters.natsmon.saved import parse_moment, part_of, replies_of
from diagmesh.adapters.natsmon.signs import signs_of_lines
from diagmesh.adapters.natsmon.spans import parse_span_s
from diagmesh.adapters.natsmon.statsz import Statsz
from diagmesh.adapters.natsmon.subsz import Subsz
from diagmesh.adapters.natsmon.varz import Varz
from diagmesh.contract.answers.server import Source
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


def _lines(data: bytes) -> None:
    lines = text_of(data).splitlines()
    for one in signs_of_lines(lines, Source.LOG):
        assert one.count >= 1
        encode(one)


def _saved(data: bytes) -> None:
    for name in text_of(data[:200]).splitlines():
        part_of(name)
    with contextlib.suppress(BadReply):
        parts = parse_moment(data)
        if parts is not None:
            replies = replies_of(parts)
            encode(picture(replies, seen_of(replies.varz, 0.0)))


TARGETS: Final = (
    Target(
        "server-lines",
        _lines,
        ("diagmesh.adapters.natsmon.signs",),
        (
            (
                b'[1] 2026/11/23 15:18:03.899453 [ERR] 127.0.0.1:40562 - cid:8 - "v2:python3:ro-svc" - "A/user:ro" -'
                b' Publish Violation - Subject "secret.x"\n'
            ),
            b'Error: nats: permissions violation for subscription to "s.>"\n',
            b'[1] x [ERR] 127.0.0.1:4 - cid:9 - authentication error - User "bad"\n',
        ),
    ),
    Target(
        "saved-monitoring",
        _saved,
        ("diagmesh.adapters.natsmon.saved",),
        (
            (
                b'{"varz":{"server_id":"N","cpu":150,"cores":2},"connz_closed":{"connections":[{"reason":"Slow"}]},'
                b'"server_log":["a"],"client_errors":["nats: timeout"]}'
            ),
            b'{"varz":{"_capture":{},"body":{"server_id":"N"}},"connz":[],"raftz":{"S":{"_meta_":{}}},"healthz":null}',
        ),
    ),
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
