"""One reply with its answer typed: a problem stays data until somebody insists on the answer."""

from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from diagmesh.contract.codec import decode_reply
from diagmesh.contract.plain import flaw_of
from diagmesh.contract.wire import Problem, Reply, Status
from diagmesh.errors import Declined, Failed, Late, Refusal, Unavailable, Unreadable

__all__ = ["Heard", "heard"]

A = TypeVar("A")

_REFUSALS: Final[dict[Status, type[Refusal]]] = {
    Status.DECLINED: Declined,
    Status.UNAVAILABLE: Unavailable,
    Status.LATE: Late,
    Status.SILENT: Unavailable,
}


class Heard(Generic[A]):
    """A reply as the asker sees it.

    Args:
        reply: the envelope, with everything that is not the answer: who, how the talk went, findings.
        answer_type: what the answer is decoded into; None leaves it a plain JSON object.
        hedged: which coordinator did not answer in its place, in words; empty when the first one that was asked did.
    """

    __slots__ = ("_answer", "_type", "hedged", "reply")

    def __init__(self, reply: Reply, answer_type: type[A] | None, hedged: str = "") -> None:
        self.reply = reply
        self.hedged = hedged
        self._type = answer_type
        self._answer: A | None = None

    def __repr__(self) -> str:
        """Who, what and how it went."""
        return f"<Heard {self.reply.kind} of {self.where}: {self.reply.status}>"

    @property
    def where(self) -> str:
        """``service/instance``."""
        return f"{self.reply.service}/{self.reply.instance}"

    @property
    def problem(self) -> Problem | None:
        """Why there is no answer; None when there is one."""
        return self.reply.problem

    @property
    def answer(self) -> A:
        """The answer, decoded on first use.

        Raises:
            Refusal: `Declined`, `Unavailable`, `Late` or `Failed` when the reply is a problem.
            Unreadable: the answer is not of the expected type; the message names the path.
        """
        if self._answer is None:
            self._answer = self._decode()
        return self._answer

    def _decode(self) -> A:
        raw = self.reply.answer
        if not isinstance(raw, msgspec.Raw):
            raise _refusal(self.reply)
        try:
            return cast(A, msgspec.json.decode(raw, type=self._type or dict[str, Any]))
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unreadable(f"the answer of {self.where}", str(error), "is it of another version?") from None


def heard(
    data: bytes, service: str, instance: str, kind: str, answer_type: type[A] | None, hedged: str = ""
) -> Heard[A]:
    """The reply in a message that came where only ``service`` answers.

    Raises:
        Unreadable: it is no reply, names somebody else, or answers another kind than the one asked for.
    """
    try:
        reply = decode_reply(data)
        if not data.isascii():
            data.decode()  # the answer is kept as it came, and may be shown so
        _check(reply)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        fix = "if it is {stream, seq}: a stream captures the subject" if b'"stream"' in data[:200] else ""
        raise Unreadable(f"the reply of {service}", str(error), fix) from None
    if reply.service != service or (instance and reply.instance != instance):
        asked = f"{service}/{instance}" if instance else service
        raise Unreadable(f"the reply of {asked}", f"it names itself {reply.service}/{reply.instance}"[:200])
    if reply.kind != kind:
        raise Unreadable(f"the reply of {service}", f"it answers the kind {reply.kind[:63]!r}, not {kind!r}")
    return Heard(reply, answer_type, hedged)


def _check(reply: Reply) -> None:
    """Of a sum the coordinator has looked at each answer."""
    if reply.service != "mesh" and isinstance(reply.answer, msgspec.Raw) and (flaw := flaw_of(bytes(reply.answer))):
        raise msgspec.DecodeError(flaw)


def _refusal(reply: Reply) -> Refusal:
    problem = reply.problem or Problem(code=500, error="no answer", detail="the reply has neither answer nor problem")
    kind = _REFUSALS.get(reply.status, Failed)
    return kind(problem.detail, code=problem.code, error=problem.error, hint=problem.hint)
