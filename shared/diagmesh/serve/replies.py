"""From the outcome of one look to the bytes of its one reply."""

import logging
import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, cast

import msgspec

from diagmesh.contract.chunks import message_limit, reply_limit
from diagmesh.contract.codec import encode, problem_of
from diagmesh.contract.coding import coded
from diagmesh.contract.findings import Finding
from diagmesh.contract.wire import WIRE_VERSION, Answer, Problem, Reply, Status
from diagmesh.errors import Declined, Failed, Late, Refusal, Unavailable
from diagmesh.serve.kinds import Judge

__all__ = ["Form", "Identity", "Outgoing", "Scribe", "form_of", "incident_of", "status_of"]

log = logging.getLogger("diagmesh.serve")

_STATUS: Final[tuple[tuple[type[Refusal], Status], ...]] = (
    (Declined, Status.DECLINED),
    (Unavailable, Status.UNAVAILABLE),
    (Late, Status.LATE),
    (Failed, Status.FAILED),
)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers: it stands in every reply."""

    service: str
    instance: str
    boot: str
    host: str


class Form(NamedTuple):
    """How the asker takes a reply; `form_of` makes it.

    Args:
        message_bytes: of a reply that goes into one message.
        most_bytes: of the largest reply: the same, unless it may come in chunks.
        chunked_bytes: what that would be in chunks.
        msgpack: whether MessagePack is wanted instead of JSON.
    """

    message_bytes: int
    most_bytes: int
    chunked_bytes: int
    msgpack: bool


@lru_cache(maxsize=64)
def form_of(max_payload: int, *, chunks: bool = False, msgpack: bool = False) -> Form:
    """The form of a reply.

    Args:
        max_payload: what the server takes in one message, bytes.
        chunks: whether several messages will do.
        msgpack: whether MessagePack is wanted.
    """
    one, chunked = message_limit(max_payload), reply_limit(max_payload, chunks=True)
    return Form(one, chunked if chunks else one, chunked, msgpack)


class Outgoing(NamedTuple):
    """One reply on its way out."""

    reply: str
    data: bytes
    problem: Problem | None
    form: Form

    @property
    def in_chunks(self) -> bool:
        """Whether it is too large for one message."""
        return len(self.data) > self.form.message_bytes


def status_of(refusal: Refusal) -> Status:
    """How a talk went that ended with this refusal."""
    return next((status for kinds, status in _STATUS if isinstance(refusal, kinds)), Status.FAILED)


def incident_of(kind: str, error: BaseException) -> Failed:
    """Log what happened under a number; the asker hears the number, never our internals."""
    number = secrets.token_hex(4)
    log.error("incident %s: %s failed", number, kind[:63], exc_info=error)
    return Failed(f"the agent raised {type(error).__name__}; the log of whoever answered has it as incident {number}")


class Scribe:
    """Writes the replies of one member.

    Args:
        identity: who answers.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def write(
        self,
        kind: str,
        since_ns: int,
        form: Form,
        *,
        answer: Answer | None = None,
        judge: Judge | None = None,
        refusal: Refusal | None = None,
    ) -> tuple[bytes, Problem | None]:
        """The reply as bytes, and the problem that it tells; an answer that is too large becomes one.

        Args:
            kind: the kind that was asked.
            since_ns: ``time.perf_counter_ns`` when the question came.
            form: how the asker takes it.
            answer: what was seen.
            judge: what that means; the findings go into the reply.
            refusal: or why there is no answer.
        """
        if answer is not None:
            try:
                data = self._answered(kind, since_ns, answer, judge, form)
                if len(data) <= form.most_bytes:
                    return data, None
                refusal = _too_large(len(data), form)
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                log.exception("the answer of %s cannot be encoded", kind)
                refusal = Failed(f"the answer cannot be encoded ({type(error).__name__})")
        problem = problem_of(refusal or Failed())
        return _coded(self._reply(kind, since_ns, refusal=refusal, problem=problem), form), problem

    def _answered(self, kind: str, since_ns: int, answer: Answer, judge: Judge | None, form: Form) -> bytes:
        """The reply with what the answer means; findings that do not fit beside the answer are left out, not it."""
        if judge is None:
            # Not yet encoded: the whole reply is encoded at once.
            return _coded(self._reply(kind, since_ns, answer=cast(msgspec.Raw, answer)), form)
        raw = msgspec.Raw(encode(answer))
        reply = self._reply(kind, since_ns, answer=raw)
        try:
            findings = judge(reply)
        except Exception:  # a rule of somebody else's must not cost the answer
            log.exception("the answer of %s cannot be judged", kind)
            findings = ()
        if not findings:
            return _coded(reply, form)
        data = _coded(self._reply(kind, since_ns, answer=raw, findings=findings), form)
        if len(data) <= form.most_bytes:
            return data
        log.warning("%d findings of %s do not fit into the reply and are left out", len(findings), kind)
        return _coded(reply, form)

    def _reply(
        self,
        kind: str,
        since_ns: int,
        *,
        answer: msgspec.Raw | None = None,
        findings: tuple[Finding, ...] = (),
        refusal: Refusal | None = None,
        problem: Problem | None = None,
    ) -> Reply:
        status = Status.ANSWERED if refusal is None else status_of(refusal)
        return Reply(
            v=WIRE_VERSION,
            service=self._identity.service,
            instance=self._identity.instance,
            boot=self._identity.boot,
            host=self._identity.host,
            kind=kind,
            status=status,
            observed_at=datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC),
            took_ms=(time.perf_counter_ns() - since_ns) // 1000 / 1000,
            answer=msgspec.UNSET if answer is None else answer,
            problem=problem,
            findings=findings,
        )


def _coded(reply: Reply, form: Form) -> bytes:
    return coded(reply, msgpack=form.msgpack)


def _too_large(size: int, form: Form) -> Failed:
    takes_chunks = form.most_bytes > form.message_bytes
    less = 'ask for less, e.g. with {"detail": "brief"}'
    chunks = f'ask with {{"chunks": true}} and put the chunks together, or {less}'
    return Failed(
        f"the answer has {size} bytes; the limit is {form.most_bytes} in {'chunks' if takes_chunks else 'one message'}",
        code=413,
        error="answer too large",
        hint=less if takes_chunks or size > form.chunked_bytes else chunks,
    )
