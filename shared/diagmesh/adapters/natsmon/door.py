"""Takes a monitoring reply apart, whichever door it came through: HTTP, or the system account with its envelope."""

from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from diagmesh.errors import DiagmeshError

__all__ = ["BadReply", "Part", "ServerHead", "Told", "is_before", "plain", "told"]

T = TypeVar("T")
_SHOWN: Final = 200


class BadReply(DiagmeshError):
    """A monitoring reply that cannot be read, or in which the server refuses; the message says which."""


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of everything in a reply: all fields have defaults, unknown ones are passed over."""


class ServerHead(Part, frozen=True, kw_only=True, gc=False):
    """Who replies, in replies and events of the system account.

    Source: ``ServerInfo`` in server/events.go of nats-server.

    Args:
        name: of the server.
        id: of this run of it.
        host: as configured.
        cluster: that it belongs to; empty when it stands alone.
        domain: of JetStream.
        ver: its version.
        tags: as configured.
        jetstream: whether it is on.
        time: when it replied, by its own clock.
    """

    name: str = ""
    id: str = ""
    host: str = ""
    cluster: str = ""
    domain: str = ""
    ver: str = ""
    tags: tuple[str, ...] = ()
    jetstream: bool = False
    time: datetime | None = None


def is_before(version: str, least: tuple[int, int]) -> bool:
    """Whether a server of this version is older than that; one that cannot be read may be.

    Args:
        version: as it tells it (``2.10.26``).
        least: major and minor.
    """
    numbers = version.split(".")[:2]
    if len(numbers) < 2 or not all(one.isascii() and one.isdigit() and len(one) < 6 for one in numbers):
        return True
    return (int(numbers[0]), int(numbers[1])) < least


class Told(msgspec.Struct, Generic[T], frozen=True, kw_only=True, gc=False):
    """A reply.

    Args:
        body: what it says.
        server: who says it; None over HTTP, where the body has the id of the server.
    """

    body: T
    server: ServerHead | None = None


class _Error(Part, frozen=True, kw_only=True, gc=False):
    code: int = 0
    description: str = ""


class _Envelope(Part, frozen=True, kw_only=True, gc=False):
    server: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    statsz: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_envelope: Final = msgspec.json.Decoder(_Envelope)
_decoders: Final[dict[type[object], msgspec.json.Decoder[Any]]] = {}


def told(data: bytes | Raw, kind: type[T]) -> Told[T]:
    """The reply in these bytes.

    Args:
        data: JSON, as it came: the body over HTTP, ``{"server": …, "data": …}`` over the system account.
        kind: what was asked for, one of the types of this package.

    Raises:
        BadReply: it is no such reply, or an error of the server.
    """
    try:
        envelope = _envelope.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReply(f"no JSON object of a monitoring endpoint: {error}") from None
    if not isinstance(envelope.server, Raw):
        return Told(body=plain(data, kind))
    head = plain(envelope.server, ServerHead)
    body = envelope.data if isinstance(envelope.data, Raw) else envelope.statsz
    if isinstance(body, Raw):
        return Told(body=plain(body, kind), server=head)
    if isinstance(envelope.error, Raw):
        refused = plain(envelope.error, _Error)
        raise BadReply(f"the server refuses: {refused.description[:_SHOWN]} (code {refused.code})")
    return Told(body=plain(data, kind), server=head)


def plain(data: bytes | Raw, kind: type[T]) -> T:
    """The same without an envelope: events of the system account, and what stands in an envelope.

    At once where it fits; a second time without its nulls, which Go writes for lists and maps that are empty.

    Args:
        data: JSON.
        kind: what it is, one of the types of this package.

    Raises:
        BadReply: it is not.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        try:
            found: T = decoder.decode(data)
        except msgspec.ValidationError:
            found = msgspec.convert(_without_nulls(msgspec.json.decode(data)), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReply(f"no reply of {kind.__name__.upper()}: {error}") from None
    return found


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value if one is not None]
    return value
