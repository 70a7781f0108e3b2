"""JSON or MessagePack, as the headers of a question say; both are the same tree with the same names and texts.

A reply is written as JSON and translated, a question is translated and read as JSON: so nothing can differ. What JSON
has no type for is text in both (times are RFC 3339), and what it cannot hold is null in both (NaN, infinity).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from diagmesh.contract.codec import encode
from diagmesh.contract.wire import QUESTION_LIMIT_BYTES
from diagmesh.errors import Declined

__all__ = ["ACCEPT_HEADER", "CONTENT_TYPE_HEADER", "JSON", "MSGPACK", "coded", "json_body", "packed", "wants_msgpack"]

ACCEPT_HEADER: Final = "Accept"
CONTENT_TYPE_HEADER: Final = "Content-Type"
JSON: Final = "application/json"
MSGPACK: Final = "application/msgpack"

_ACCEPT_CHARACTERS: Final = 1000
_HINT: Final = f"{JSON} (the default) or {MSGPACK}"
_ANY: Final = ("*/*", "application/*")

_plain: Final = msgspec.json.Decoder()
_packed: Final = msgspec.msgpack.Decoder()


def packed(data: bytes) -> bytes:
    """MessagePack for JSON.

    Raises:
        ValueError: this is no JSON.
        OverflowError: it holds an integer beyond 64 bits.
    """
    return msgspec.msgpack.encode(_plain.decode(data))


def coded(value: Any, *, msgpack: bool) -> bytes:
    """A wire struct as it goes out. Neither coding is always the smaller one: 0.1 takes 3 bytes in JSON, 9 packed.

    Raises:
        ValueError: it cannot be encoded (`OverflowError`, `TypeError` and `RecursionError` likewise).
    """
    data = encode(value)
    return packed(data) if msgpack else data


def json_body(headers: Mapping[str, str], data: bytes) -> bytes:
    """The body of a question as JSON, whatever it came as.

    Raises:
        Declined: 400 for a type that we do not read, or for what is not of its type.
    """
    given = headers.get(CONTENT_TYPE_HEADER, "").partition(";")[0].strip().lower()
    if given in ("", JSON):
        return data
    if given != MSGPACK:
        raise Declined(
            f"{CONTENT_TYPE_HEADER}: a body of this type is not read here", hint=f"{CONTENT_TYPE_HEADER}: {_HINT}"
        )
    if not data or len(data) > QUESTION_LIMIT_BYTES:  # refused by its size, as any other
        return data
    try:
        return msgspec.json.encode(_packed.decode(data))
    except (ValueError, TypeError, RecursionError) as error:
        raise Declined(
            f"the request body is no MessagePack that JSON can hold: {error}"[:300],
            hint="a MessagePack map of the fields that the JSON object would have, or an empty body",
        ) from None


def wants_msgpack(headers: Mapping[str, str]) -> bool:
    """Whether a question asks for a reply in MessagePack; what is accepted alike is answered in JSON.

    Raises:
        Declined: 400 when neither is accepted, or the header cannot be read.
    """
    accept = headers.get(ACCEPT_HEADER, "")
    if not accept:
        return False
    if len(accept) > _ACCEPT_CHARACTERS:
        raise Declined(f"{ACCEPT_HEADER} has more than {_ACCEPT_CHARACTERS} characters", hint=_HINT)
    weights: dict[str, float] = {}
    for one in accept.split(","):
        name, *parameters = (part.strip().lower() for part in one.split(";"))
        weights[name] = max(weights.get(name, 0.0), _weight(parameters))
    # The more specific range wins (RFC 9110 §12.5.1); what is named by none of them is not accepted.
    any_ = next((weights[name] for name in reversed(_ANY) if name in weights), 0.0)
    plain, pack = weights.get(JSON, any_), weights.get(MSGPACK, any_)
    if not plain and not pack:
        raise Declined(f"{ACCEPT_HEADER} names no type that a reply can have", hint=f"{ACCEPT_HEADER}: {_HINT}")
    return pack > plain


def _weight(parameters: list[str]) -> float:
    """The q of RFC 9110: 0 to 1 with three decimals at most; 1 where none is given."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            digits = value.strip()
            if not digits.replace(".", "", 1).isdecimal() or not digits.isascii() or not 0 <= float(digits) <= 1:
                raise Declined(f"{ACCEPT_HEADER} has a q that is no number from 0 to 1", hint="q=0.5, or leave it out")
            return float(digits)
    return 1.0
