"""A question to many without a coordinator's sum: planned, asked and added up here."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from diagmesh.aggregate import add_up
from diagmesh.bus.core import Bus
from diagmesh.client.asking import with_budget
from diagmesh.client.direct import NO_COORDINATOR, by_directory, learned, of_coordinators
from diagmesh.client.heard import Heard
from diagmesh.client.kinds import ITSELF
from diagmesh.client.result import MeshResult
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import Services
from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.wire import Answer, Nothing, Question
from diagmesh.errors import NoResponders
from diagmesh.gather import Absences, BatchGather, Gather, Plan, Progress, gathering

__all__ = ["Unaided"]

A = TypeVar("A", bound=Answer)
Prepared = tuple[Gather | BatchGather, tuple[str, ...]]
"""A round of questions that was not begun yet, and the notes on what limits it."""


class Unaided:
    """Asks the instances themselves, by the directory of a coordinator where there is one.

    Args:
        bus: the connection.
        absences: why somebody is silent.
        directory: asks for the directory within so many seconds; raises `NoResponders` where there is no coordinator.
    """

    def __init__(self, bus: Bus, absences: Absences, directory: Callable[[float], Awaitable[Services]]) -> None:
        self._bus = bus
        self._absences = absences
        self._directory = directory

    async def prepare(
        self,
        kind: str,
        question: Question | None,
        selection: MeshQuestion,
        timeout_s: float,
        progress: Progress | None = None,
    ) -> Prepared:
        """The round that asks them.

        Raises:
            Refusal: the selection means nobody, its batches do not fit into the time, or nobody knows the labels.
            BusError: the directory, or the names, could not be asked for.
        """
        plan, notes = await self._plan(kind, question, selection, timeout_s)
        return gathering(self._bus, plan, self._absences, progress), notes

    async def ask(
        self,
        kind: str,
        answer_type: type[A] | None,
        question: Question | None,
        selection: MeshQuestion,
        timeout_s: float,
    ) -> MeshResult[A]:
        """Ask them, and add up what came; errors as `prepare`."""
        round_, notes = await self.prepare(kind, question, selection, timeout_s)
        answer = add_up(await round_.run(), answer_type, each=selection.each)
        each: tuple[Heard[Any], ...] = tuple(Heard(one, answer_type) for one in answer.each or ())
        return MeshResult(answer=msgspec.structs.replace(answer, notes=(*notes, *answer.notes)), each=each)

    async def _plan(
        self, kind: str, question: Question | None, selection: MeshQuestion, timeout_s: float
    ) -> tuple[Plan, tuple[str, ...]]:
        def body(agent_s: float) -> bytes:
            return encode(with_budget(question or Nothing(), agent_s))

        try:
            directory = await self._directory(timeout_s)
        except NoResponders:
            if kind == ITSELF:
                raise
            return await learned(self._bus, selection, kind, body, timeout_s), (NO_COORDINATOR,)
        if kind == ITSELF:
            return of_coordinators(directory, selection, kind, body, timeout_s), ()
        return await by_directory(self._bus, directory, selection, kind, body, timeout_s), ()
