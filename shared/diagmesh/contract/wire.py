"""Question, answer, reply: what travels between an asker and one instance (product.md, "The wire")."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from diagmesh.contract.findings import Finding
from diagmesh.contract.names import NAME_PATTERN

__all__ = [
    "ANSWER_LIMIT_BYTES",
    "NOT_HERE",
    "QUESTION_LIMIT_BYTES",
    "WIRE_VERSION",
    "Answer",
    "Blind",
    "Detail",
    "Nothing",
    "Problem",
    "Question",
    "Reply",
    "Status",
    "Token",
]

WIRE_VERSION: Final = 1
QUESTION_LIMIT_BYTES: Final = 64 * 1024
"""A request body above this is declined with 413."""
ANSWER_LIMIT_BYTES: Final = 512 * 1024
"""A reply above this goes out in chunks to askers that can take them; others hear 413, which is more than nothing."""
NOT_HERE: Final = 501
"""The code of a problem where the instance has nothing of the kind, and how to enable it."""

Token = Annotated[str, Meta(pattern=NAME_PATTERN)]
"""A service, instance or kind name as it stands in a subject."""


class Status(StrEnum):
    """How the talk went; says nothing about the health of the service."""

    ANSWERED = "answered"
    DECLINED = "declined"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"
    LATE = "late"
    SILENT = "silent"


class Detail(StrEnum):
    """How much the asker wants to hear."""

    BRIEF = "brief"
    NORMAL = "normal"
    FULL = "full"


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What may stand in every request body; a kind's own question adds its fields.

    Args:
        timeout_ms: the budget, counted from receipt; never above the budget of the kind.
        detail: how much to tell.
        chunks: the asker can put a reply together that comes in several messages (above 512 KiB).
    """

    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] | None = None
    detail: Detail = Detail.NORMAL
    chunks: bool = False

    def to_each(self) -> Self:
        """What each instance is asked so that their answers can be told as one (`Answer.as_one`); usually the same."""
        return self


class Nothing(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A question without fields of its own."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of what an agent returns: what was seen, never what it means."""

    may_lack: ClassVar[bool] = False
    """Whether an instance may well have nothing of this kind (501): rules on it then say so, and the check goes on."""

    @classmethod
    def as_one(cls, answers: Sequence[tuple[str, Self]]) -> Self | None:  # noqa: ARG003  for those that can
        """Those of many instances (by ``service/instance``) as one; None for kinds whose fields alone are added up."""
        return None


class Blind(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that could not be seen, which is never the same as zero.

    Args:
        what: the part of the answer that is missing.
        why: the reason.
        fix: how to make it visible.
    """

    what: str
    why: str
    fix: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Why there is no answer; the service error headers (ADR-32) carry the same code and error."""

    code: int
    error: str
    detail: str = ""
    hint: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The one reply to one question: origin, how the talk went, and the answer or the problem.

    ``answer`` stays encoded (`msgspec.Raw`) until somebody asks for its type; unknown fields of a newer version are
    ignored.
    """

    v: int
    service: str
    instance: str
    boot: str = ""
    host: str = ""
    kind: str
    status: Status
    observed_at: datetime | None = None
    took_ms: float = 0.0
    answer: Raw | UnsetType = UNSET
    problem: Problem | None = None
    findings: tuple[Finding, ...] = ()
