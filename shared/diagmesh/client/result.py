"""What many replies come back as: a sum with the typed single replies, or a stream of them with its end."""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from diagmesh.aggregate import add_up
from diagmesh.client.heard import Heard
from diagmesh.contract.mesh import Ended, MeshAnswer, Silent, Unexpected
from diagmesh.contract.wire import Answer, Reply
from diagmesh.errors import DiagmeshError
from diagmesh.expected import Gathered
from diagmesh.gather import BatchGather, Gather

__all__ = ["MeshResult", "Stream"]

A = TypeVar("A", bound=Answer)


class MeshResult(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """Many replies added up.

    Args:
        answer: the sum, as on the wire.
        each: the single replies, typed; empty when they were not asked for or were too many for one message.
        coordinator: who added them up; empty when this was done here.
        reply: the coordinator's reply as it came; None when this was done here.
        hedged: which coordinator did not answer in its place, in words; empty when the first one that was asked did.
    """

    answer: MeshAnswer
    each: tuple[Heard[A], ...] = ()
    coordinator: str = ""
    reply: Reply | None = None
    hedged: str = ""

    @property
    def ended(self) -> Ended:
        """Why the gather stopped."""
        return self.answer.ended

    @property
    def silent(self) -> tuple[Silent, ...]:
        """The expected who were not heard, with the reason."""
        return self.answer.silent

    @property
    def unexpected(self) -> tuple[Unexpected, ...]:
        """Replies that were not counted, with the reason."""
        return self.answer.unexpected


class Stream(Generic[A]):
    """Replies as they come: iterate it once, then read why it ended.

    Args:
        prepare: makes the round and the notes on what limits it; called when the iteration begins.
        answer_type: what the answers are decoded into.
    """

    def __init__(
        self,
        prepare: Callable[[], Awaitable[tuple[Gather | BatchGather, tuple[str, ...]]]],
        answer_type: type[A] | None,
    ) -> None:
        self._prepare = prepare
        self._type = answer_type
        self._gather: Gather | BatchGather | None = None
        self._notes: tuple[str, ...] = ()

    async def __aiter__(self) -> AsyncGenerator[Heard[A], None]:
        """Each counted reply, at once.

        Raises:
            BusError: as `diagmesh.client.Mesh.mesh`.
        """
        self._gather, self._notes = await self._prepare()
        async with contextlib.aclosing(self._gather.stream()) as replies:
            async for reply in replies:
                yield Heard(reply, self._type)

    def stop(self) -> None:
        """End it now, from another task: what came is kept, who was not asked is named."""
        if self._gather is not None:
            self._gather.stop()

    def sum(self, *, each: bool = False) -> MeshResult[A]:
        """What came, added up, with every single reply if they are wanted.

        Raises:
            DiagmeshError: the stream was not iterated to its end.
        """
        answer = add_up(self.result, self._type, each=each)
        heard = tuple(Heard(one, self._type) for one in answer.each or ())
        return MeshResult(answer=msgspec.structs.replace(answer, notes=(*self._notes, *answer.notes)), each=heard)

    @property
    def result(self) -> Gathered:
        """Everything that came of it.

        Raises:
            DiagmeshError: the stream was not iterated to its end.
        """
        if self._gather is None or self._gather.result is None:
            raise DiagmeshError("the stream has not ended yet: iterate it to its end first")
        return self._gather.result

    @property
    def ended(self) -> Ended:
        """Why it ended."""
        return self.result.ended

    @property
    def silent(self) -> tuple[Silent, ...]:
        """The expected who were not heard, with the reason."""
        return self.result.silent

    @property
    def unexpected(self) -> tuple[Unexpected, ...]:
        """Replies that were not counted, with the reason."""
        return self.result.unexpected

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits what this stream says."""
        return self._notes + self.result.notes
