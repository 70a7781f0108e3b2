"""`Mesh`: the mesh as a Python program sees it."""

from pathlib import Path
from typing import Any, Final, Self, TypeVar, overload

import msgspec

from diagmesh.aggregate import add_up
from diagmesh.bus.core import Bus
from diagmesh.client.asking import kind_and_type, mesh_body, selection_of, with_budget, within
from diagmesh.client.connecting import Connecting
from diagmesh.client.direct import NO_COORDINATOR, by_directory, learned, of_coordinators
from diagmesh.client.forget import forget
from diagmesh.client.heard import Heard, heard
from diagmesh.client.hedge import Coordinators
from diagmesh.client.kinds import COORDINATOR_KINDS, ITSELF
from diagmesh.client.result import MeshResult, Stream
from diagmesh.contract import subjects
from diagmesh.contract.codec import encode
from diagmesh.contract.control import ForgetQuestion, Forgotten
from diagmesh.contract.directory import Services, ServicesQuestion
from diagmesh.contract.mesh import MeshAnswer, MeshQuestion
from diagmesh.contract.names import check_token
from diagmesh.contract.selector import Labels
from diagmesh.contract.wire import Answer, Nothing, Question
from diagmesh.errors import NoResponders
from diagmesh.gather import BatchGather, Gather, Plan, Progress, gathering
from diagmesh.membership import Membership
from diagmesh.settings import NatsSettings

__all__ = ["Mesh"]

A = TypeVar("A", bound=Answer)
_TIMEOUT_S: Final = 2.0
_MARGIN_S: Final = 0.5
"""How much longer than its budget a coordinator is waited for: its reply has to travel too."""


class Mesh:
    """Asks questions over one connection. No global state: make as many as you need.

    Args:
        bus: a connection; whoever made it closes it. `connect` makes one that the mesh owns.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._membership = Membership(bus)
        self.coordinators = Coordinators(bus)

    @classmethod
    def connect(cls, *, name: str = "diag-client", timeout_s: float = 5.0, **settings: Any) -> Connecting[Self]:
        """Connect to NATS: ``async with Mesh.connect(url=…) as mesh`` or ``mesh = await Mesh.connect(url=…)``.

        Args:
            name: of the connection, as the server lists it.
            timeout_s: the longest that connecting may take.
            settings: the fields of `diagmesh.settings.NatsSettings`: ``url``, ``nkey_file``, ``creds_file``,
                ``inbox_prefix``, ``tls_ca_file``, ``tls_first``, ``connect_timeout_s``.

        Raises:
            CannotConnect: with the reason.
        """
        return Connecting(cls, NatsSettings(**settings), name, timeout_s)

    @property
    def bus(self) -> Bus:
        """The connection."""
        return self._bus

    async def close(self) -> None:
        """End what is under way and close the connection."""
        await self._membership.close()
        await self._bus.close()

    # --- one instance

    @overload
    async def one(
        self,
        kind: type[A],
        service: str,
        question: Question | None = ...,
        *,
        instance: str = ...,
        timeout_s: float = ...,
    ) -> Heard[A]: ...

    @overload
    async def one(
        self, kind: str, service: str, question: Question | None = ..., *, instance: str = ..., timeout_s: float = ...
    ) -> Heard[Any]: ...

    async def one(
        self,
        kind: type[A] | str,
        service: str,
        question: Question | None = None,
        *,
        instance: str = "",
        timeout_s: float = _TIMEOUT_S,
    ) -> Heard[A] | Heard[Any]:
        """Ask one instance of a service: the one named, or whichever the server picks.

        Args:
            kind: an answer type (``Health``) or the name of a kind.
            service: whom to ask; ``mesh`` asks a coordinator.
            question: its fields; default: none.
            instance: which instance.
            timeout_s: the longest to wait.

        Raises:
            BusError: `NoResponders`, `NoAnswer`, `NotConnected`, `ConnectionLost`, `NotPermitted`, `MessageTooLarge`.
            BadName: a name that cannot stand in a subject.
            Unreadable: what came is no reply of that service.
        """
        name, answer_type = kind_and_type(kind)
        check_token(service, "service", reserved_ok=True)
        if instance:
            check_token(instance, "instance")
            subject = subjects.ask_instance(service, name, instance)
        else:
            subject = subjects.ask_one(service, name)
        if service == "mesh" and not instance:
            return await self._any_coordinator(name, answer_type, question or Nothing(), timeout_s)
        asked = msgspec.structs.replace(with_budget(question or Nothing(), timeout_s), chunks=True)
        if service == "mesh" and name not in COORDINATOR_KINDS and name != ITSELF:
            answer_type = MeshAnswer
        message = await self._bus.request(subject, encode(asked), timeout_s=timeout_s)
        return heard(message.data, service, instance, name, answer_type)

    async def _any_coordinator(
        self, kind: str, answer_type: type[Any] | None, question: Question, timeout_s: float
    ) -> Heard[Any]:
        """Whichever coordinator answers: of all kinds but its own two that is a sum."""

        def body(left_s: float) -> bytes:
            asked = within(question, left_s)
            # By its name another one would tell of itself only.
            return encode({**msgspec.to_builtins(asked), "sum": True} if kind == ITSELF else asked)

        answered = await self.coordinators.ask(kind, body, timeout_s, timeout_s)
        kind_of_sum = answer_type if kind in COORDINATOR_KINDS else MeshAnswer
        return heard(answered.message.data, "mesh", "", kind, kind_of_sum, answered.hedged)

    # --- many instances

    async def services(self, *services: str, labels: Labels = "", timeout_s: float = _TIMEOUT_S) -> Services:
        """The directory of a coordinator: who is there, who is missing and why.

        Args:
            services: only these.
            labels: only who has these (see `mesh`).
            timeout_s: the longest to wait.

        Raises:
            BusError: as `one`; `NoResponders` when there is no coordinator.
            Refusal: the coordinator cannot tell.
        """
        question = ServicesQuestion(services=services, labels=labels or {})
        return (await self.one(Services, "mesh", question, timeout_s=timeout_s)).answer

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
        timeout_s: float = _TIMEOUT_S,
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
            return await self._direct(name, answer_type, question, chosen, timeout_s)

        def body(left_s: float) -> bytes:
            return mesh_body(question or Nothing(), chosen, left_s)

        try:
            answered = await self.coordinators.ask(name, body, timeout_s + _MARGIN_S, timeout_s)
        except NoResponders:
            return await self._direct(name, answer_type, question, chosen, timeout_s)
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
        timeout_s: float = _TIMEOUT_S,
        **selection: Any,
    ) -> MeshResult[A] | MeshResult[Any]:
        """As `mesh`, with every single reply; when they are too many for one message they are asked for directly."""
        selection["each"] = True
        result = await self.mesh(kind, question, timeout_s=timeout_s, **selection)
        if result.answer.each is not None or not result.coordinator:
            return result
        name, answer_type = kind_and_type(kind)
        return await self._direct(name, answer_type, question, selection_of(selection), timeout_s)

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
        timeout_s: float = _TIMEOUT_S,
        progress: Progress | None = None,
        **selection: Any,
    ) -> Stream[A] | Stream[Any]:
        """The replies as they come; the stream then says why it ended and who was silent. Arguments as `mesh`.

        Asked from here, so that `Stream.stop` ends it; ``progress`` is told before each batch how many are asked, and
        of how many.
        """
        name, answer_type = kind_and_type(kind)
        chosen = selection_of(selection)

        async def prepare() -> tuple[Gather | BatchGather, tuple[str, ...]]:
            plan, notes = await self._plan(name, question, chosen, timeout_s)
            return gathering(self._bus, plan, self._membership.absences, progress), notes

        return Stream(prepare, answer_type)

    async def forget(
        self, service: str, instance: str = "", *, seed_file: Path, timeout_s: float = _TIMEOUT_S
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

    # --- without a coordinator

    async def _plan(
        self, kind: str, question: Question | None, selection: MeshQuestion, timeout_s: float
    ) -> tuple[Plan, tuple[str, ...]]:
        def body(agent_s: float) -> bytes:
            return encode(with_budget(question or Nothing(), agent_s))

        try:
            directory = await self.services(timeout_s=timeout_s)
        except NoResponders:
            if kind == ITSELF:
                raise
            return await learned(self._bus, selection, kind, body, timeout_s), (NO_COORDINATOR,)
        if kind == ITSELF:
            return of_coordinators(directory, selection, kind, body, timeout_s), ()
        return await by_directory(self._bus, directory, selection, kind, body, timeout_s), ()

    async def _direct(
        self,
        kind: str,
        answer_type: type[A] | None,
        question: Question | None,
        selection: MeshQuestion,
        timeout_s: float,
    ) -> MeshResult[A]:
        plan, notes = await self._plan(kind, question, selection, timeout_s)
        gathered = await gathering(self._bus, plan, self._membership.absences).run()
        answer = add_up(gathered, answer_type, each=selection.each)
        each = tuple(Heard(one, answer_type) for one in answer.each or ())
        return MeshResult(answer=msgspec.structs.replace(answer, notes=(*notes, *answer.notes)), each=each)
