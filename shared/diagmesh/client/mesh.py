"""`Mesh`: the mesh as a Python program sees it."""

from pathlib import Path
from typing import Any, Final, TypeVar, overload

from diagmesh.bus.core import Bus
from diagmesh.client.asker import TIMEOUT_S, Asker
from diagmesh.client.asking import kind_and_type, mesh_body, selection_of
from diagmesh.client.forget import forget
from diagmesh.client.heard import Heard, heard
from diagmesh.client.kinds import ITSELF
from diagmesh.client.result import MeshResult, Stream
from diagmesh.client.unaided import Unaided
from diagmesh.contract.control import ForgetQuestion, Forgotten
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.names import check_token
from diagmesh.contract.wire import Answer, Nothing, Question
from diagmesh.errors import NoResponders
from diagmesh.gather import Progress

__all__ = ["Mesh"]

A = TypeVar("A", bound=Answer)
_MARGIN_S: Final = 0.5
"""How much longer than its budget a coordinator is waited for: its reply has to travel too."""


class Mesh(Asker):
    """Asks questions over one connection. No global state: make as many as you need.

    Args:
        bus: a connection; whoever made it closes it. `connect` makes one that the mesh owns.
    """

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._unaided = Unaided(bus, self._membership.absences, lambda timeout_s: self.services(timeout_s=timeout_s))

    @overload
    async def mesh(
        self, kind: type[A], question: Question | None = ..., *, timeout_s: float = ..., **selection: Any
    ) -> MeshResult[A]: ...

    @overload
    async def mesh(
        self, kind: str, question: Question | None = ..., *, timeout_s: float = ..., **selection: Any
    ) -> MeshResult[Any]: ...

    async def mesh(
        self,
        kind: type[A] | str,
        question: Question | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        **selection: Any,
    ) -> MeshResult[A] | MeshResult[Any]:
        """Ask a coordinator to ask them all and add the answers up; without one, do it here and say so.

        Args:
            kind: an answer type (``Health``) or the name of a kind.
            question: the fields of the kind; default: none.
            timeout_s: the longest that the asking may take.
            selection: the fields of `diagmesh.contract.mesh.MeshQuestion` that say whom to ask: ``services``,
                ``instances``, ``labels``, ``limit``, ``each``, ``batch``, ``pause_ms``.

        Raises:
            BusError: as `one`, except that the lack of a coordinator is no error.
            Refusal: `Declined` for a selection that means nobody, by the coordinator or here; `Unavailable` for
                labels without a coordinator, because only its directory knows them.
        """
        name, answer_type = kind_and_type(kind)
        chosen = selection_of(selection)
        if name == ITSELF:  # of another one by name that would be no sum: whoever is there is asked from here
            return await self._unaided.ask(name, answer_type, question, chosen, timeout_s)

        def body(left_s: float) -> bytes:
            return mesh_body(question or Nothing(), chosen, left_s)

        try:
            answered = await self.coordinators.ask(name, body, timeout_s + _MARGIN_S, timeout_s)
        except NoResponders:
            return await self._unaided.ask(name, answer_type, question, chosen, timeout_s)
        reply = heard(answered.message.data, "mesh", "", name, MeshAnswer)
        each = tuple(Heard(one, answer_type) for one in reply.answer.each or ())
        return MeshResult(
            answer=reply.answer,
            each=each,
            coordinator=reply.reply.instance,
            reply=reply.reply,
            hedged=answered.hedged,
        )

    @overload
    async def all(
        self, kind: type[A], question: Question | None = ..., *, timeout_s: float = ..., **selection: Any
    ) -> MeshResult[A]: ...

    @overload
    async def all(
        self, kind: str, question: Question | None = ..., *, timeout_s: float = ..., **selection: Any
    ) -> MeshResult[Any]: ...

    async def all(
        self,
        kind: type[A] | str,
        question: Question | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        **selection: Any,
    ) -> MeshResult[A] | MeshResult[Any]:
        """As `mesh`, with every single reply; when they are too many for one message they are asked for directly."""
        selection["each"] = True
        result = await self.mesh(kind, question, timeout_s=timeout_s, **selection)
        if result.answer.each is not None or not result.coordinator:
            return result
        name, answer_type = kind_and_type(kind)
        return await self._unaided.ask(name, answer_type, question, selection_of(selection), timeout_s)

    @overload
    def stream(
        self,
        kind: type[A],
        question: Question | None = ...,
        *,
        timeout_s: float = ...,
        progress: Progress | None = ...,
        **selection: Any,
    ) -> Stream[A]: ...

    @overload
    def stream(
        self,
        kind: str,
        question: Question | None = ...,
        *,
        timeout_s: float = ...,
        progress: Progress | None = ...,
        **selection: Any,
    ) -> Stream[Any]: ...

    def stream(
        self,
        kind: type[A] | str,
        question: Question | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        progress: Progress | None = None,
        **selection: Any,
    ) -> Stream[A] | Stream[Any]:
        """The replies as they come; the stream then says why it ended and who was silent. Arguments as `mesh`.

        Asked from here, so that `Stream.stop` ends it; ``progress`` is told before each batch how many are asked, and
        of how many.
        """
        name, answer_type = kind_and_type(kind)
        chosen = selection_of(selection)

        return Stream(lambda: self._unaided.prepare(name, question, chosen, timeout_s, progress), answer_type)

    async def forget(
        self, service: str, instance: str = "", *, seed_file: Path, timeout_s: float = TIMEOUT_S
    ) -> tuple[Heard[Forgotten], ...]:
        """Tell every coordinator that an instance (or all lost ones of the service) is not expected any longer.

        Args:
            service: whose; ``mesh`` means the coordinators.
            instance: which one; empty for all lost ones.
            seed_file: with the seed of an operator's user nkey, which the coordinators' settings list.
            timeout_s: for each coordinator.

        Raises:
            BusError: the directory could not be asked for; `NoResponders` when there is no coordinator.
            SettingsError: the seed file cannot be used.
        """
        check_token(service, "service", reserved_ok=service == "mesh")
        question = ForgetQuestion(service=service, instance=check_token(instance, "instance") if instance else "")
        directory = await self.services(timeout_s=timeout_s)
        return await forget(self._bus, directory.coordinators, question, seed_file, timeout_s)
