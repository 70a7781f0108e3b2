"""`diagctl.mesh.forget.<coordinator>`: an operator's signed word that somebody is not expected any longer."""

import logging
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

from diagmesh.bus.core import Bus
from diagmesh.contract import subjects
from diagmesh.contract.codec import decode_question, encode
from diagmesh.contract.control import ForgetQuestion, Forgotten
from diagmesh.contract.mesh import Where
from diagmesh.contract.presence import Event
from diagmesh.contract.wire import WIRE_VERSION
from diagmesh.control import Guard
from diagmesh.errors import BusError, Declined
from diagmesh.expected import Key
from diagmesh.serve import Asked, Endpoint, Identity
from diagmesh_coordinator.directory import Directory

__all__ = ["KIND", "ControlKinds"]

log = logging.getLogger("diagmesh.control")

KIND: Final = "forget"
_EVENT: Final = "control"
_BUDGET_S: Final = 2.0
_CONCURRENCY: Final = 4


class ControlKinds:
    """The control kinds of a coordinator: implements `diagmesh.serve.Kinds` for its ``diagctl`` subjects.

    Args:
        bus: where what was done is told.
        directory: what is acted on.
        us: who we are; requests are signed for this boot.
        operators: public nkeys that are believed; none closes control.
        emit: tells of refusals ``(kind, what)``; must not block.
    """

    def __init__(
        self,
        bus: Bus,
        directory: Directory,
        us: Identity,
        operators: Collection[str],
        emit: Callable[[str, str], None],
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._us = us
        self._guard = Guard(operators, us.boot)
        self._emit = emit

    def names(self) -> Collection[str]:
        """The control kinds."""
        return [KIND]

    def find(self, kind: str) -> Endpoint | None:
        """How a control kind is answered."""
        if kind != KIND:
            return None
        return Endpoint(
            kind=KIND,
            decode=lambda data: decode_question(data, ForgetQuestion),
            look=self._forget,
            budget_s=_BUDGET_S,
            most_s=_BUDGET_S,
            concurrency=_CONCURRENCY,
            tells="Stop expecting an instance (signed).",
        )

    async def _forget(self, question: ForgetQuestion, asked: Asked) -> Forgotten:
        name = f"{question.service}/{question.instance or '(all lost)'}"
        try:
            operator = self._allowed(asked)
        except Declined as refusal:
            self._emit(_EVENT, f"refused: forget {name}: {refusal.detail}")
            raise
        gone, kept = await self._directory.forget(question.service, question.instance)
        await self._tell(f"done: forget {name}: {len(gone)} forgotten, {len(kept)} kept", operator)
        return Forgotten(forgotten=_wheres(gone), kept=_wheres(kept))

    def _allowed(self, asked: Asked) -> str:
        if asked.subject != subjects.control(self._us.service, KIND, self._us.instance):
            raise Declined(
                "a control request must name its target",
                error="name a target",
                hint=f"ask {subjects.control(self._us.service, KIND, self._us.instance)}",
            )
        return self._guard.check(asked.headers, asked.subject, asked.body, time.time())

    async def _tell(self, what: str, operator: str) -> None:
        """What was done is told at once and one by one; only refusals may be summed up."""
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


def _wheres(keys: Collection[Key]) -> tuple[Where, ...]:
    return tuple(Where(service=key.service, instance=key.instance) for key in keys)
