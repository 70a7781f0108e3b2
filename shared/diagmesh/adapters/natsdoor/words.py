"""What the first bytes of a port and the refusals of a server say."""

from typing import Final

import msgspec

from diagmesh.contract.answers.connection import DoorVerdict, Greeting, PortKind

__all__ = ["ASK_HTTP", "Info", "greeting_of", "kind_of_info", "kind_of_other", "parse_info", "refusal"]

ASK_HTTP: Final = (
    b"GET / HTTP/1.1\r\nHost: diagmesh\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ZGlhZ21lc2gtcHJlZmxpZw==\r\n\r\n"
)
"""What makes whoever waits for the client to begin show what he is: HTTP, websocket or TLS."""

_REFUSALS: Final = (
    ("authorization violation", DoorVerdict.CREDENTIALS_REFUSED),
    ("authentication expired", DoorVerdict.JWT_EXPIRED),
    ("authentication timeout", DoorVerdict.BLIND),  # nobody has judged them: they came too late, from a busy host
    ("connections exceeded", DoorVerdict.LIMIT),
    ("attempted to connect to", DoorVerdict.WRONG_PORT),
    ("tls required", DoorVerdict.TLS_FAILED),
)


class Info(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """INFO, as far as it matters here; fields of older and newer servers are passed over."""

    server_id: str = ""
    server_name: str = ""
    version: str = ""
    cluster: str = ""
    max_payload: int | None = None
    auth_required: bool = False
    tls_required: bool = False
    tls_available: bool = False
    tls_verify: bool = False
    jetstream: bool = False
    ldm: bool = False
    nonce: str = ""
    client_id: int | None = None
    client_ip: str = ""
    connect_urls: tuple[str, ...] = ()
    gateway: str = ""
    route_pool_size: int | None = None
    lnoc: bool = False
    leafnode_urls: tuple[str, ...] = ()


_decoder: Final = msgspec.json.Decoder(Info)


def parse_info(line: bytes) -> Info | None:
    """The INFO in a first line; None when that is none."""
    if not line.startswith(b"INFO "):
        return None
    try:
        return _decoder.decode(line[5:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def kind_of_info(info: Info) -> PortKind:
    """What kind of port greets so: only that for clients tells the client its own address."""
    if info.client_ip:
        return PortKind.CLIENT
    if info.gateway:
        return PortKind.GATEWAY
    if info.route_pool_size is not None or info.lnoc:
        return PortKind.ROUTE
    return PortKind.LEAFNODE if info.leafnode_urls else PortKind.CLIENT


def kind_of_other(first: bytes) -> PortKind:
    """What kind of port answers so to `ASK_HTTP`, or speaks so by itself."""
    if first.startswith(b"HTTP/"):
        return PortKind.WEBSOCKET if b" 101 " in first[:20] else PortKind.HTTP
    if first[:2] in (b"\x15\x03", b"\x16\x03"):
        return PortKind.TLS_FIRST
    return PortKind.OTHER


def refusal(line: bytes) -> tuple[DoorVerdict, str]:
    """What ``-ERR '…'`` means, and the server's words."""
    words = line[4:].strip().strip(b"'").decode("ascii", "replace")[:200]
    folded = words.lower()
    verdict = next((verdict for text, verdict in _REFUSALS if text in folded), DoorVerdict.CLOSED)
    return verdict, words


def greeting_of(info: Info) -> Greeting:
    """What the answer tells of it."""
    return Greeting(
        name=info.server_name,
        id=info.server_id,
        version=info.version,
        cluster=info.cluster,
        max_payload_bytes=info.max_payload,
        auth_required=info.auth_required,
        tls_required=info.tls_required,
        jetstream=info.jetstream,
        lame_duck=info.ldm,
        peers=len(info.connect_urls),
    )
