"""Which kinds are answered, and how: agents beside a target, or whatever else can be looked at."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, NoReturn, Protocol

import msgspec

from diagmesh.contract.codec import decode_question
from diagmesh.contract.findings import Finding
from diagmesh.contract.wire import Answer, Nothing, Question, Reply
from diagmesh.declare import AgentSpec
from diagmesh.errors import Unavailable
from diagmesh.packs import Broken
from diagmesh.target import Target

__all__ = ["AgentKinds", "Asked", "Endpoint", "Judge", "Kinds", "broken_endpoint", "endpoint_of"]

_REFUSALS: Final = 4
"""Of a broken kind at a time: they cost nothing."""

Judge = Callable[[Reply], tuple[Finding, ...]]
"""What one reply with an answer means."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of one question: its kind, its subject, and how long the look may take (seconds).

    ``headers`` and ``body`` are as they came, for those that check a signature over them; ``msgpack`` says in which
    coding the answer goes out, for those that make it fit.
    """

    kind: str
    subject: str
    budget_s: float
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    msgpack: bool = False


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
        judge: what an answer means; the findings go into the reply. None where nobody judges.
    """

    kind: str
    decode: Callable[[bytes], Question]
    look: Callable[[Any, Asked], Awaitable[Answer]]
    budget_s: float
    most_s: float
    concurrency: int
    tells: str = ""
    judge: Judge | None = None


class Kinds(Protocol):
    """Which kinds are answered here."""

    def find(self, kind: str) -> Endpoint | None:
        """How a kind is answered; None when it is not."""
        ...

    def names(self) -> Collection[str]:
        """The kinds, for discovery and for the 404."""
        ...


def endpoint_of(spec: AgentSpec, target: Target, judge: Judge | None = None) -> Endpoint:
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
        judge=judge,
    )


def broken_endpoint(one: Broken) -> Endpoint:
    """A kind whose agent could not be loaded: it is not unknown, and whoever asks is told so; the log has the rest."""

    async def look(_: Question, __: Asked) -> NoReturn:
        raise Unavailable(
            f"the agent {one.module} cannot be loaded here ({one.reason.partition(':')[0]})",
            code=501,
            error="not on this instance",
            hint="the log here tells the reason; mend or remove the package, then start again",
        )

    return Endpoint(
        kind=one.kind, decode=lambda _: Nothing(), look=look, budget_s=1.0, most_s=1.0, concurrency=_REFUSALS
    )


class AgentKinds:
    """The kinds of one instance: a fixed set of agents beside one target.

    Args:
        agents: what is answered.
        target: whom the answers are about.
        judges: by kind, what an answer means; kinds that are not there have no findings.
        broken: modules whose kinds are refused with the reason; they are not among the `names`.
    """

    def __init__(
        self,
        agents: Collection[AgentSpec],
        target: Target,
        judges: Mapping[str, Judge] | None = None,
        broken: Collection[Broken] = (),
    ) -> None:
        known = judges or {}
        self._endpoints = {spec.kind: endpoint_of(spec, target, known.get(spec.kind)) for spec in agents}
        self._broken = {one.kind: broken_endpoint(one) for one in broken}

    def find(self, kind: str) -> Endpoint | None:
        """See `Kinds.find`."""
        return self._endpoints.get(kind) or self._broken.get(kind)

    def names(self) -> Collection[str]:
        """See `Kinds.names`."""
        return sorted(self._endpoints)
