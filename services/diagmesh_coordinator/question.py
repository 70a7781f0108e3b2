"""The body of ``diag.mesh.<kind>``: whom to ask (ours to understand), and what (for the agents to understand)."""

from typing import Final

import msgspec

from diagmesh.contract.codec import decode_question, encode
from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.wire import QUESTION_LIMIT_BYTES, Detail, Question
from diagmesh.errors import Declined

__all__ = ["FanoutQuestion", "decode_fanout"]

_OURS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(MeshQuestion))
_SELECTION: Final = ", ".join(sorted(_OURS))

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class FanoutQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A mesh question, taken apart.

    Args:
        chosen: the selection and the common fields.
        own: the fields of the kind, as they came.
    """

    chosen: MeshQuestion = MeshQuestion()
    own: dict[str, msgspec.Raw] = {}

    def body(self, budget_ms: int) -> bytes:
        """What each agent is asked."""
        fields: dict[str, object] = {"timeout_ms": budget_ms}
        if self.chosen.detail is not Detail.NORMAL:
            fields["detail"] = self.chosen.detail
        return encode({**fields, **self.own})

    def widened(self, question: type[Question] | None) -> "FanoutQuestion":
        """The question of the kind as its answers can be told as one; unchanged for who wants the single replies.

        Args:
            question: the kind's own question type; None when the kind is not known here.
        """
        if question is None or self.chosen.each:
            return self
        asked = decode_question(encode(self.own), question)
        wider = asked.to_each()
        if wider == asked:
            return self
        return msgspec.structs.replace(self, own=_fields.decode(encode(wider)))


def decode_fanout(data: bytes, question: type[Question] | None) -> FanoutQuestion:
    """Take the body of a mesh question apart.

    Args:
        data: the body.
        question: the kind's own question type; None when the kind is not known here, then its fields are passed on
            unseen and the agents judge them.

    Raises:
        Declined: 413 above 64 KiB, else 400; the detail names path, type found and type expected.
    """
    if len(data) > QUESTION_LIMIT_BYTES or not data or data.isspace():
        chosen = decode_question(data, MeshQuestion)
        return FanoutQuestion(chosen=chosen)
    try:
        fields = _fields.decode(data)
        data.decode()  # what is passed on unseen is text at least
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Declined(f"the request body is no JSON object: {error}", hint=_hint(question)) from None
    ours = {name: value for name, value in fields.items() if name in _OURS}
    own = {name: value for name, value in fields.items() if name not in _OURS}
    chosen = decode_question(encode(ours), MeshQuestion)
    if question is not None:
        try:
            decode_question(encode(own), question)
        except Declined as refusal:
            raise Declined(refusal.detail, hint=_hint(question)) from None
    return FanoutQuestion(
        timeout_ms=chosen.timeout_ms, detail=chosen.detail, chunks=chosen.chunks, chosen=chosen, own=own
    )


def _hint(question: type[Question] | None) -> str:
    if question is None:
        return f"an empty body, or a JSON object with {_SELECTION} and the fields of the kind"
    own = [field.encode_name for field in msgspec.structs.fields(question) if field.encode_name not in _OURS]
    return f"an empty body, or a JSON object with: {', '.join(sorted((*_OURS, *own)))}"
