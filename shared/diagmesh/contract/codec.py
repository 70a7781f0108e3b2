"""Bytes to questions and replies, and back; every refusal names the path, the JSON type and what was expected."""

from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from diagmesh.contract.wire import QUESTION_LIMIT_BYTES, Answer, Problem, Question, Reply
from diagmesh.errors import Declined, Refusal

__all__ = [
    "ERROR_CODE_HEADER",
    "ERROR_HEADER",
    "decode_question",
    "decode_reply",
    "encode",
    "error_headers",
    "problem_of",
]

ERROR_HEADER: Final = "Nats-Service-Error"
ERROR_CODE_HEADER: Final = "Nats-Service-Error-Code"
_HEADER_LIMIT: Final = 200

Q = TypeVar("Q", bound=Question)
A = TypeVar("A", bound=Answer)

_encoder: Final = msgspec.json.Encoder()
encode: Final = _encoder.encode
"""Any wire struct to JSON bytes."""

_reply: Final = msgspec.json.Decoder(Reply)


@cache
def _question_decoder(kind: type[Any]) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


def decode_question(data: bytes, kind: type[Q]) -> Q:
    """The question in a request body; an empty (or blank) body is the question with its defaults.

    Raises:
        Declined: 413 above 64 KiB, else 400; the detail names path, type found and type expected.
    """
    if len(data) > QUESTION_LIMIT_BYTES:
        raise Declined(
            f"the request body has {len(data)} bytes; the limit is {QUESTION_LIMIT_BYTES}",
            code=413,
            error="request too large",
        )
    try:
        # A question may have a field that must be there: then an empty body is refused by that field's name.
        question: Q = _question_decoder(kind).decode(data if data and not data.isspace() else b"{}")
    except msgspec.ValidationError as error:
        raise Declined(str(error), hint=_hint(kind)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Declined(f"the request body is no JSON object: {error}", hint=_hint(kind)) from None
    return question


def _hint(kind: type[Question]) -> str:
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    return f"an empty body, or a JSON object with: {', '.join(names)}"


def decode_reply(data: bytes) -> Reply:
    """The envelope of a reply; its answer stays encoded, unknown fields of a newer version are ignored.

    Raises:
        msgspec.DecodeError: no JSON, or not the form of a reply (``msgspec.ValidationError`` names the path).
    """
    return _reply.decode(data)


def problem_of(refusal: Refusal) -> Problem:
    """What the asker is told about a refusal."""
    return Problem(code=refusal.code, error=refusal.error, detail=refusal.detail, hint=refusal.hint)


def error_headers(problem: Problem) -> dict[str, str]:
    """The service error headers (ADR-32) that say the same as the problem in the body; one line, ASCII, bounded."""
    line = " ".join(problem.error.split())
    return {
        ERROR_HEADER: line.encode("ascii", "replace").decode()[:_HEADER_LIMIT],
        ERROR_CODE_HEADER: str(problem.code),
    }
