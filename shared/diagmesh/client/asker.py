"""One question to one instance, or to whichever coordinator answers; what `Mesh` is built on."""

from typing import Any, Final, Self, TypeVar, overload

import msgspec

from diagmesh.bus.core import Bus
from diagmesh.client.asking import kind_and_type, with_budget, within
from diagmesh.client.connecting import Connecting
from diagmesh.client.heard import Heard, heard
from diagmesh.client.hedge import Coordinators
from diagmesh.client.kinds import COORDINATOR_KINDS, ITSELF
from diagmesh.contract import subjects
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import Services, ServicesQuestion
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.names import check_token
from diagmesh.contract.selector import Labels
from diagmesh.contract.wire import Answer, Nothing, Question
from diagmesh.membership import Membership
from diagmesh.settings import NatsSettings

__all__ = ["TIMEOUT_S", "Asker"]

A = TypeVar("A", bound=Answer)
TIMEOUT_S: Final = 2.0
"""The longest that is waited where nobody says how long."""


class Asker:
    """Asks over one connection.

    Args:
        bus: a connection; whoever made it closes it. `connect` makes one that is owned here.
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
            settings: the fields of `diagmesh.settings.NatsSettings`: ``url``, ``nkey_file`` or ``creds_file``,
                ``inbox_prefix``, ``connect_timeout_s``, and those that begin with ``tls_``.

        Raises:
            CannotConnect: with the reason.
            SettingsError: with such settings nobody can ever connect.
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
        timeout_s: float = TIMEOUT_S,
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

    async def services(self, *services: str, labels: Labels = "", timeout_s: float = TIMEOUT_S) -> Services:
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
