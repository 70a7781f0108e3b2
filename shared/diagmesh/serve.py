"""One question in, exactly one reply out, whatever the agent does.

A question is checked and decoded at once; the look runs in a task of its own under a budget that is counted from
receipt. When the budget ends the asker hears 408 at that moment, and the look is cancelled; one that ignores its
cancellation keeps its place under the concurrency limits until it ends, so that hanging looks cannot pile up.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from diagmesh.bus.core import Bus, Message
from diagmesh.contract.codec import decode_question, encode, error_headers, problem_of
from diagmesh.contract.subjects import is_inbox, kind_of
from diagmesh.contract.wire import ANSWER_LIMIT_BYTES, WIRE_VERSION, Answer, Problem, Question, Reply, Status
from diagmesh.declare import AgentSpec
from diagmesh.errors import BusError, Declined, Failed, Late, Refusal, Unavailable
from diagmesh.target import Target
from diagmesh.workers import current_kind

__all__ = ["AgentKinds", "Asked", "Endpoint", "Identity", "KindStats", "Kinds", "Responder", "endpoint_of"]

log = logging.getLogger("diagmesh.serve")

_STATUS: Final[tuple[tuple[type[Refusal], Status], ...]] = (
    (Declined, Status.DECLINED),
    (Unavailable, Status.UNAVAILABLE),
    (Late, Status.LATE),
    (Failed, Status.FAILED),
)
_HEADROOM_BYTES: Final = 1024
_EXPIRED_GRACE_S: Final = 0.2


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers: it stands in every reply."""

    service: str
    instance: str
    boot: str
    host: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of one question: its kind, its subject, and how long the look may take (seconds).

    ``headers`` and ``body`` are as they came, for those that check a signature over them.
    """

    kind: str
    subject: str
    budget_s: float
    headers: Mapping[str, str] | None = None
    body: bytes = b""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of question is answered.

    Args:
        kind: the kind.
        decode: request body to question; raises `Declined`.
        look: question to answer; may raise a `Refusal`.
        budget_s: the budget when the asker names none.
        most_s: the longest budget that an asker can get.
        concurrency: looks of this kind at a time.
        tells: one line for discovery.
    """

    kind: str
    decode: Callable[[bytes], Question]
    look: Callable[[Any, Asked], Awaitable[Answer]]
    budget_s: float
    most_s: float
    concurrency: int
    tells: str = ""


class Kinds(Protocol):
    """Which kinds are answered here."""

    def find(self, kind: str) -> Endpoint | None:
        """How a kind is answered; None when it is not."""
        ...

    def names(self) -> Collection[str]:
        """The kinds, for discovery and for the 404."""
        ...


def endpoint_of(spec: AgentSpec, target: Target) -> Endpoint:
    """An agent beside its target, as something that can be served."""

    async def look(question: Question, _: Asked) -> Answer:
        return await spec.look(question, target)

    return Endpoint(
        kind=spec.kind,
        decode=lambda data: decode_question(data, spec.question),
        look=look,
        budget_s=spec.budget_s,
        most_s=spec.budget_s,
        concurrency=spec.concurrency,
        tells=spec.tells,
    )


class AgentKinds:
    """The kinds of one instance: a fixed set of agents beside one target."""

    def __init__(self, agents: Collection[AgentSpec], target: Target) -> None:
        self._endpoints = {spec.kind: endpoint_of(spec, target) for spec in agents}

    def find(self, kind: str) -> Endpoint | None:
        """See `Kinds.find`."""
        return self._endpoints.get(kind)

    def names(self) -> Collection[str]:
        """See `Kinds.names`."""
        return sorted(self._endpoints)


class KindStats:
    """What happened to the questions of one kind (times in nanoseconds, as ADR-32 wants them)."""

    __slots__ = ("errors", "last_error", "processing_ns", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.last_error = ""
        self.processing_ns = 0


class _Job:
    """One question in work."""

    __slots__ = ("asked", "endpoint", "reply", "settled", "since_ns", "task", "timer")

    def __init__(self, endpoint: Endpoint, asked: Asked, reply: str, since_ns: int) -> None:
        self.endpoint = endpoint
        self.asked = asked
        self.reply = reply
        self.since_ns = since_ns
        self.settled = False
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Responder:
    """Answers the questions that one member of the mesh receives.

    Args:
        bus: where replies go.
        identity: who answers.
        kinds: what is answered.
        concurrency: looks at a time, over all kinds.
        emit: tells an event ``(kind, what)``; must not block.
    """

    def __init__(
        self,
        bus: Bus,
        identity: Identity,
        kinds: Kinds,
        *,
        concurrency: int = 32,
        emit: Callable[[str, str], None] = lambda _kind, _what: None,
    ) -> None:
        self._bus = bus
        self._identity = identity
        self._kinds = kinds
        self._limit = concurrency
        self._emit = emit
        self._jobs: set[_Job] = set()
        self._busy: dict[str, int] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.stats: dict[str, KindStats] = {}
        self.forged = 0
        self.unanswerable = 0
        self.unsent = 0

    # --- a question comes in

    def take(self, message: Message) -> None:
        """Handler of every question subject."""
        since_ns = time.perf_counter_ns()
        if not is_inbox(message.reply):
            self._not_ours_to_answer(message)
            return
        kind = kind_of(message.subject)
        try:
            self._admit(kind, message, since_ns)
        except Refusal as refusal:
            self._send(kind, message.reply, since_ns, refusal=refusal)

    def _not_ours_to_answer(self, message: Message) -> None:
        if not message.reply:
            self.unanswerable += 1
            return
        self.forged += 1
        self._emit("forged-reply", f"a question on {message.subject[:200]} asked for its reply on a non-inbox subject")

    def _admit(self, kind: str, message: Message, since_ns: int) -> None:
        endpoint = self._kinds.find(kind)
        if endpoint is None:
            raise Declined(
                f"{self._identity.service}/{self._identity.instance} does not answer {kind!r}"[:200],
                code=404,
                error="unknown kind",
                hint=f"kinds: {', '.join(self._kinds.names())}",
            )
        if self._stopping:
            raise Unavailable("this member is leaving the mesh")
        if len(self._jobs) >= self._limit or self._busy.get(kind, 0) >= endpoint.concurrency:
            raise Declined(
                f"{self._busy.get(kind, 0)} questions for {kind} and {len(self._jobs)} in all are in work",
                code=429,
                error="busy",
                hint="ask again in a moment",
            )
        question = endpoint.decode(message.data)
        asked_s = endpoint.budget_s if question.timeout_ms is None else question.timeout_ms / 1000
        budget_s = min(asked_s, endpoint.most_s)
        asked = Asked(
            kind=kind, subject=message.subject, budget_s=budget_s, headers=message.headers, body=message.data
        )
        job = _Job(endpoint, asked, message.reply, since_ns)
        self._jobs.add(job)
        self._busy[kind] = self._busy.get(kind, 0) + 1
        loop = asyncio.get_running_loop()
        job.timer = loop.call_later(budget_s, self._expire, job)
        job.task = loop.create_task(self._work(job, question), name=f"look-{kind}")

    # --- the look

    async def _work(self, job: _Job, question: Question) -> None:
        current_kind.set(job.asked.kind)
        try:
            answer = await job.endpoint.look(question, job.asked)
            self._settle(job, answer=answer)
        except Refusal as refusal:
            self._settle(job, refusal=refusal)
        except BaseException as error:  # noqa: BLE001  whatever an agent does, its asker hears of it and the sidecar lives
            self._settle(job, refusal=self._incident(job, error))
        finally:
            self._jobs.discard(job)
            self._busy[job.asked.kind] -= 1

    def _incident(self, job: _Job, error: BaseException) -> Failed:
        """Log what happened under a number; the asker hears the number, never our internals."""
        if job.settled:
            return Failed()
        number = secrets.token_hex(4)
        log.error("incident %s: the agent %s failed", number, job.asked.kind, exc_info=error)
        return Failed(f"the agent raised {type(error).__name__}; the sidecar's log has it as incident {number}")

    def _expire(self, job: _Job) -> None:
        self._settle(job, refusal=Late(f"no answer within {job.asked.budget_s:g} s"))
        if job.task is not None:
            job.task.cancel()

    def _settle(self, job: _Job, *, answer: Answer | None = None, refusal: Refusal | None = None) -> None:
        """Send the one reply of this question; whatever comes second is dropped."""
        if job.settled:
            return
        job.settled = True
        if job.timer is not None:
            job.timer.cancel()
        self._send(job.asked.kind, job.reply, job.since_ns, answer=answer, refusal=refusal)

    # --- the reply goes out

    def _send(
        self, kind: str, reply: str, since_ns: int, *, answer: Answer | None = None, refusal: Refusal | None = None
    ) -> None:
        data, problem = self._encode(kind, since_ns, answer, refusal)
        self._count(kind, since_ns, problem)
        task = asyncio.get_running_loop().create_task(self._publish(reply, data, problem))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _encode(
        self, kind: str, since_ns: int, answer: Answer | None, refusal: Refusal | None
    ) -> tuple[bytes, Problem | None]:
        if answer is not None:
            try:
                data = encode(self._reply(kind, since_ns, answer=answer))
                limit = min(ANSWER_LIMIT_BYTES, self._bus.max_payload - _HEADROOM_BYTES)
                if len(data) <= limit:
                    return data, None
                refusal = Failed(
                    f"the answer has {len(data)} bytes; the limit is {limit}",
                    code=413,
                    error="answer too large",
                    hint='ask for less, e.g. with {"detail": "brief"}',
                )
            except (TypeError, ValueError, RecursionError) as error:
                log.exception("the answer of %s cannot be encoded", kind)
                refusal = Failed(f"the answer cannot be encoded ({type(error).__name__})")
        problem = problem_of(refusal or Failed())
        return encode(self._reply(kind, since_ns, refusal=refusal, problem=problem)), problem

    def _reply(
        self,
        kind: str,
        since_ns: int,
        *,
        answer: Answer | None = None,
        refusal: Refusal | None = None,
        problem: Problem | None = None,
    ) -> Reply:
        status = Status.ANSWERED
        if refusal is not None:
            status = next((status for kinds, status in _STATUS if isinstance(refusal, kinds)), Status.FAILED)
        now = datetime.now(UTC)
        return Reply(
            v=WIRE_VERSION,
            service=self._identity.service,
            instance=self._identity.instance,
            boot=self._identity.boot,
            host=self._identity.host,
            kind=kind,
            status=status,
            observed_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
            took_ms=round((time.perf_counter_ns() - since_ns) / 1e6, 3),
            answer=msgspec.UNSET if answer is None else msgspec.Raw(encode(answer)),
            problem=problem,
        )

    def _count(self, kind: str, since_ns: int, problem: Problem | None) -> None:
        # Only kinds that exist are counted by name: askers cannot grow this table.
        if self._kinds.find(kind) is None:
            return
        stats = self.stats.setdefault(kind, KindStats())
        stats.requests += 1
        stats.processing_ns += time.perf_counter_ns() - since_ns
        if problem is not None:
            stats.errors += 1
            stats.last_error = f"{problem.code}:{problem.error}"

    async def _publish(self, reply: str, data: bytes, problem: Problem | None) -> None:
        try:
            await self._bus.publish(reply, data, headers=error_headers(problem) if problem is not None else None)
        except BusError as error:
            self.unsent += 1
            log.warning("a reply could not be sent: %s", error)

    # --- going away

    async def drain(self, timeout_s: float) -> None:
        """Answer what is in work, refuse what comes now; after ``timeout_s`` the rest hears 503."""
        self._stopping = True
        running = {job.task for job in self._jobs if job.task is not None}
        if running:
            await asyncio.wait(running, timeout=timeout_s)
        for job in list(self._jobs):
            self._settle(job, refusal=Unavailable("this member is leaving the mesh"))
            if job.task is not None:
                job.task.cancel()
        left = {job.task for job in self._jobs if job.task is not None} | set(self._sending)
        if left:
            await asyncio.wait(left, timeout=_EXPIRED_GRACE_S)
