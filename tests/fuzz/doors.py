"""What a port says to a knock for NATS, and the JWT in a credentials file."""

from typing import Final

from diagmesh.adapters.natsdoor.login import expires_at, most_subscriptions
from diagmesh.adapters.natsdoor.words import greeting_of, kind_of_info, kind_of_other, parse_info, refusal
from fuzz.target import Target, text_of

__all__ = ["TARGETS"]


def _greeting(data: bytes) -> None:
    info = parse_info(data)
    if info is not None:
        kind_of_info(info)
        greeting_of(info)
    kind_of_other(data)
    refusal(data)


def _jwt(data: bytes) -> None:
    expires_at(text_of(data))
    most_subscriptions(text_of(data))


TARGETS: Final = (
    Target(
        name="nats-greeting",
        run=_greeting,
        covers=("diagmesh.adapters.natsdoor.words",),
        seeds=(
            b'INFO {"server_id":"N","version":"2.15.1","max_payload":1048576,"client_ip":"127.0.0.1"} \r\n',
            b'INFO {"server_id":"N","gateway":"c","lnoc":true,"route_pool_size":3,"leafnode_urls":["h:1"]} \r\n',
            b"-ERR 'Authorization Violation'\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n",
            b"\x15\x03\x01\x00\x02\x02\x16",
        ),
    ),
    Target(
        name="nats-jwt",
        run=_jwt,
        covers=("diagmesh.adapters.natsdoor.login",),
        seeds=(b"e30.eyJleHAiOjE3OTU3NzEyMTJ9.c2ln", b"a.b.c", b"e30.eyJleHAiOjFlOTl9.x"),
    ),
)
