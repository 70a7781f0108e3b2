"""The control door of one member: what an operator has signed for this very start of it is done, nothing else is.

Closed by default. Refused, accepted and done are events ``diagev.ev.<service>.control``, without the signature. The
signature is checked before the body is read, so nothing that a stranger wrote gets into an event.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from diagmesh.bus.core import Bus, Message, Subscription
from diagmesh.contract import subjects
from diagmesh.contract.codec import decode_question, encode
from diagmesh.contract.presence import Event
from diagmesh.contract.wire import WIRE_VERSION, Answer, Nothing, Question
from diagmesh.errors import BusError, Declined, Refusal
from diagmesh.serve import Asked, Endpoint, Identity, Responder

if TYPE_CHECKING:
    from diagmesh.control import Guard

__all__ = ["ControlDoor", "ControlKind", "Done"]

log = logging.getLogger("diagmesh.control")

_EVENT: Final = "control"
_UNKNOWN: Final = "there is no such control kind"
_BUDGET_S: Final = 2.0
_AT_A_TIME: Final = 4
_AT_A_TIME_IN_ALL: Final = 8


class Done(NamedTuple):
    """What came of a control request: the answer, and the same in a few words for the event."""

    answer: Answer
    words: str


class ControlKind(NamedTuple):
    """One thing that an operator may have done.

    Args:
        kind: its name in the subject.
        question: what its body holds.
        asks: that in words, for the events.
        do: does it; is told the public key of the operator who signed.
        tells: one line for discovery.
        after: hears of the request as it came, once it was done; must not raise.
    """

    kind: str
    question: type[Question]
    asks: Callable[[Any], str]
    do: Callable[[Any, str], Awaitable[Done]]
    tells: str
    after: Callable[[Asked], Awaitable[None]] | None = None


class ControlDoor:
    """Answers ``diagctl.<service>.<kind>…`` of one member; implements `diagmesh.serve.Kinds` for it.

    Args:
        bus: a started bus.
        us: who we are; requests are signed for this boot.
        kinds: what there is.
        operators: public nkeys that are believed; none closes the door.
        allowed: the kinds that may be used.
        how: how to open the door, for those who stand before it.
        emit: tells of refusals ``(kind, what)``; must not block.

    Raises:
        SettingsError: one of the operators is no public user nkey.
    """

    def __init__(
        self,
        bus: Bus,
        us: Identity,
        kinds: Sequence[ControlKind],
        operators: Collection[str],
        *,
        allowed: Collection[str],
        how: str,
        emit: Callable[[str, str], None],
    ) -> None:
        self._bus = bus
        self._us = us
        self._allowed = frozenset(allowed)
        self._how = how
        self._emit = emit
        self._guard = _guard(operators, us.boot)
        self._endpoints = {one.kind: self._endpoint(one) for one in kinds}
        self._responder = Responder(bus, us, self, concurrency=_AT_A_TIME_IN_ALL, emit=emit)
        self._responder.turned_away = self._turned_away
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        """Listen, also behind a closed door: who knocks is told that it is closed, and how it is opened."""
        service, instance = self._us.service, self._us.instance
        for subject, queue in (
            (subjects.control(service, "*", instance), ""),
            (subjects.control(service, "*", "all"), ""),
            (subjects.control(service, "*"), subjects.QUEUE),
        ):
            self._subscriptions.append(await self._bus.subscribe(subject, self.take, queue=queue))

    async def stop(self, timeout_s: float) -> None:
        """Take no more, answer what is in work; bounded."""
        # Side by side: a frozen server confirms nothing, and each of these would wait its full bound for it.
        await asyncio.gather(*(one.unsubscribe() for one in self._subscriptions))
        await self._responder.drain(timeout_s)

    def names(self) -> Collection[str]:
        """The control kinds."""
        return sorted(self._endpoints)

    def find(self, kind: str) -> Endpoint | None:
        """How a control kind is answered."""
        return self._endpoints.get(kind)

    def take(self, message: Message) -> None:
        """Handler of the control subjects. Who cannot be answered is refused all the same, and that is told."""
        kind = subjects.kind_of(message.subject)
        if not subjects.is_inbox(message.reply):
            named = kind if kind in self._endpoints else _UNKNOWN
            self._emit(_EVENT, f"refused: {named}: without an inbox for the answer, nobody asked for this")
        self._responder.take(message)

    def _turned_away(self, kind: str, refusal: Refusal) -> None:
        """Nobody has looked at it, so nothing of it is repeated, not even a kind that there is not."""
        if kind in self._endpoints:
            self._emit(_EVENT, f"refused: {kind}: {refusal.error or refusal.detail}")
        else:
            self._emit(_EVENT, f"refused: {_UNKNOWN}")

    def _endpoint(self, one: ControlKind) -> Endpoint:
        async def look(_: Question, asked: Asked) -> Answer:
            return await self._look(one, asked)

        return Endpoint(
            kind=one.kind,
            decode=lambda _: Nothing(),
            look=look,
            budget_s=_BUDGET_S,
            most_s=_BUDGET_S,
            concurrency=_AT_A_TIME,
            tells=one.tells,
        )

    async def _look(self, one: ControlKind, asked: Asked) -> Answer:
        try:
            operator = self._believed(one.kind, asked)
            question = decode_question(asked.body, one.question)
        except Declined as refusal:
            self._emit(_EVENT, f"refused: {one.kind}: {refusal.detail}")
            raise
        what = f"{one.kind} {one.asks(question)}"
        await self._tell(f"accepted: {what}", operator)
        try:
            done = await one.do(question, operator)
        except BaseException as error:
            await self._tell(f"failed: {what}: {type(error).__name__}", operator)
            raise
        await self._tell(f"done: {what}: {done.words}", operator)
        if one.after is not None:
            await one.after(asked)
        return done.answer

    def _believed(self, kind: str, asked: Asked) -> str:
        if self._guard is None:
            raise Declined("control is closed", code=403, error="not allowed", hint=self._how)
        if kind not in self._allowed:
            raise Declined(f"{kind} is not allowed here", code=403, error="not allowed", hint=self._how)
        target = subjects.control(self._us.service, kind, self._us.instance)
        if asked.subject != target:
            raise Declined("a control request must name its target", error="name a target", hint=f"ask {target}")
        return self._guard.check(asked.headers, asked.subject, asked.body, time.time())

    async def _tell(self, what: str, operator: str) -> None:
        """What an operator did is told at once and one by one; only refusals may be summed up."""
        log.warning("%s (by %s)", what, operator)
        event = Event(
            v=WIRE_VERSION,
            service=self._us.service,
            instance=self._us.instance,
            boot=self._us.boot,
            kind=_EVENT,
            at=datetime.now(UTC),
            what=what,
            detail={"operator": operator},
        )
        try:
            await self._bus.publish(subjects.event(self._us.service, _EVENT), encode(event))
        except BusError as error:
            log.warning("a control event could not be told: %s", error)


def _guard(operators: Collection[str], boot: str) -> "Guard | None":
    if not operators:
        return None
    from diagmesh.control import Guard  # noqa: PLC0415  the signing library only where keys are used

    return Guard(operators, boot)
