"""One question in, exactly one reply out, whatever the agent does.

A question is checked and decoded at once; the look runs in a task of its own under a budget that is counted from
receipt. When the budget ends the asker hears 408 at that moment, and the look is cancelled; one that ignores its
cancellation keeps its place under the concurrency limits until it ends, so that hanging looks cannot pile up.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from diagmesh.bus.core import Bus, Message
from diagmesh.contract.coding import json_body, wants_msgpack
from diagmesh.contract.mesh import ASK_HEADER
from diagmesh.contract.subjects import is_inbox, kind_of
from diagmesh.contract.wire import Answer, Problem, Question, Status
from diagmesh.errors import Declined, Late, Refusal, Unavailable
from diagmesh.serve.counts import Counts
from diagmesh.serve.deadlines import Deadlines
from diagmesh.serve.kinds import Asked, Endpoint, Kinds
from diagmesh.serve.posting import Posting
from diagmesh.serve.replies import Form, Identity, Outgoing, Scribe, form_of, incident_of, status_of
from diagmesh.workers import current_budget_s, current_kind

__all__ = ["Responder"]

_EXPIRED_GRACE_S: Final = 0.2


class _Job:
    """One question in work."""

    __slots__ = ("asked", "endpoint", "form", "reply", "settled", "since_ns", "task")

    def __init__(self, endpoint: Endpoint, asked: Asked, reply: str, form: Form, since_ns: int) -> None:
        self.endpoint = endpoint
        self.asked = asked
        self.form = form
        self.reply = reply
        self.since_ns = since_ns
        self.settled = False
        self.task: asyncio.Task[None] | None = None


class Responder:
    """Answers the questions that one member of the mesh receives.

    Args:
        bus: where replies go.
        identity: who answers.
        kinds: what is answered.
        concurrency: looks at a time, over all kinds.
        emit: tells an event ``(kind, what)``; must not block.

    Whoever counts sets ``observe``: it hears of each reply its kind, its status and the seconds since the question.
    Whoever watches sets ``turned_away``: it hears of each question that was refused before anybody looked at it.
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
        self._scribe = Scribe(identity)
        self._kinds = kinds
        self._limit = concurrency
        self._emit = emit
        self._jobs: set[_Job] = set()
        self._budgets = Deadlines(self._expire)
        self._busy: dict[str, int] = {}
        self._posting = Posting(bus, identity)
        self._counts = Counts(kinds)
        self._stopping = False
        self.stats = self._counts.stats
        self.forged = 0
        self.refused_busy = 0
        self.unanswerable = 0
        self.observe: Callable[[str, Status, float], None] = lambda _kind, _status, _took_s: None
        self.turned_away: Callable[[str, Refusal], None] = lambda _kind, _refusal: None

    @property
    def in_work(self) -> int:
        """How many questions are being answered now."""
        return len(self._jobs)

    @property
    def limit(self) -> int:
        """How many questions may be in work at a time."""
        return self._limit

    @property
    def sending(self) -> int:
        """How many replies are on their way out without a question in work."""
        return len(self._posting.under_way)

    @property
    def unsent(self) -> int:
        """How many replies could not be sent."""
        return self._posting.unsent

    def works_on(self, ask_id: str) -> bool:
        """Whether the question with this id (header `diagmesh.contract.mesh.ASK_HEADER`) is being answered now."""
        return any(job.asked.headers is not None and job.asked.headers.get(ASK_HEADER) == ask_id for job in self._jobs)

    # --- a question comes in

    def take(self, message: Message) -> None:
        """Handler of every question subject."""
        since_ns = time.perf_counter_ns()
        if not is_inbox(message.reply):
            self._not_ours_to_answer(message)
            return
        kind, form = kind_of(message.subject), form_of(self._bus.max_payload)
        try:
            if message.headers:
                form = form_of(self._bus.max_payload, msgpack=wants_msgpack(message.headers))
            self._admit(kind, message, form, since_ns)
        except Refusal as refusal:
            self.turned_away(kind, refusal)
            self._posting.post(self._refused(kind, message.reply, form, since_ns, refusal))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  somebody else's decoder may fail in any way
            self._posting.post(self._refused(kind, message.reply, form, since_ns, incident_of(kind, error)))

    def _not_ours_to_answer(self, message: Message) -> None:
        if not message.reply:
            self.unanswerable += 1
            return
        self.forged += 1
        self._emit("forged-reply", f"a question on {message.subject[:200]} asked for its reply on a non-inbox subject")

    def _admit(self, kind: str, message: Message, form: Form, since_ns: int) -> None:
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
            self.refused_busy += 1
            raise Declined(
                f"{self._busy.get(kind, 0)} questions for {kind} and {len(self._jobs)} in all are in work",
                code=429,
                error="busy",
                hint="ask again in a moment",
            )
        question = endpoint.decode(json_body(message.headers, message.data) if message.headers else message.data)
        asked_s = endpoint.budget_s if question.timeout_ms is None else question.timeout_ms / 1000
        budget_s = min(asked_s, endpoint.most_s)
        asked = Asked(
            kind=kind,
            subject=message.subject,
            budget_s=budget_s,
            headers=message.headers,
            body=message.data,
            msgpack=form.msgpack,
        )
        if question.chunks:
            form = form_of(self._bus.max_payload, chunks=True, msgpack=form.msgpack)
        job = _Job(endpoint, asked, message.reply, form, since_ns)
        self._jobs.add(job)
        self._busy[kind] = self._busy.get(kind, 0) + 1
        self._budgets.add(job, budget_s)
        job.task = asyncio.get_running_loop().create_task(self._work(job, question), name=f"look-{kind}")

    # --- the look

    async def _work(self, job: _Job, question: Question) -> None:
        current_kind.set(job.asked.kind)
        current_budget_s.set(job.asked.budget_s)
        outgoing: Outgoing | None = None
        try:
            outgoing = self._settle(job, answer=await job.endpoint.look(question, job.asked))
            if outgoing is not None and outgoing.in_chunks:
                # It keeps its place while it goes out, so that large replies cannot pile up behind a slow connection.
                await self._posting.publish(outgoing)
                outgoing = None
        except Refusal as refusal:
            outgoing = self._settle(job, refusal=refusal)
        except BaseException as error:  # noqa: BLE001  whatever an agent does, its asker hears of it and the sidecar lives
            outgoing = None if job.settled else self._settle(job, refusal=incident_of(job.asked.kind, error))
        finally:
            self._jobs.discard(job)
            self._busy[job.asked.kind] -= 1
        if outgoing is not None:
            await self._posting.publish(outgoing)

    def _expire(self, job: _Job) -> None:
        self._posting.post(self._settle(job, refusal=Late(f"no answer within {job.asked.budget_s:g} s")))
        if job.task is not None:
            job.task.cancel()

    def _settle(self, job: _Job, *, answer: Answer | None = None, refusal: Refusal | None = None) -> Outgoing | None:
        """The one reply of this question; whatever comes second is dropped."""
        if job.settled:
            return None
        job.settled = True
        self._budgets.drop(job)
        kind, judge = job.asked.kind, job.endpoint.judge
        data, problem = self._scribe.write(kind, job.since_ns, job.form, answer=answer, judge=judge, refusal=refusal)
        self._count(kind, job.since_ns, problem, refusal)
        return Outgoing(job.reply, data, problem, job.form)

    # --- the reply goes out

    def _refused(self, kind: str, reply: str, form: Form, since_ns: int, refusal: Refusal) -> Outgoing:
        data, problem = self._scribe.write(kind, since_ns, form, refusal=refusal)
        self._count(kind, since_ns, problem, refusal)
        return Outgoing(reply, data, problem, form)

    def _count(self, kind: str, since_ns: int, problem: Problem | None, refusal: Refusal | None) -> None:
        took_ns = time.perf_counter_ns() - since_ns
        if self._counts.add(kind, took_ns, problem):
            refused = Status.FAILED if refusal is None else status_of(refusal)  # an answer that was too large, say
            self.observe(kind, Status.ANSWERED if problem is None else refused, took_ns / 1e9)

    # --- going away

    async def drain(self, timeout_s: float) -> None:
        """Answer what is in work, refuse what comes now; after ``timeout_s`` the rest hears 503."""
        self._stopping = True
        running = {job.task for job in self._jobs if job.task is not None}
        if running:
            await asyncio.wait(running, timeout=timeout_s)
        for job in list(self._jobs):
            self._posting.post(self._settle(job, refusal=Unavailable("this member is leaving the mesh")))
            if job.task is not None:
                job.task.cancel()
        left = {job.task for job in self._jobs if job.task is not None} | set(self._posting.under_way)
        if left:
            await asyncio.wait(left, timeout=_EXPIRED_GRACE_S)
