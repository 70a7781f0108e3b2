"""What an asker gives, checked and brought into the form of the wire."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar, overload

import msgspec

from diagmesh.client.kinds import answer_type_of
from diagmesh.contract.codec import encode
from diagmesh.contract.kinds import kind_of_type, summed_kind
from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.names import check_token
from diagmesh.contract.wire import Answer, Question
from diagmesh.errors import Declined
from diagmesh.gather import Selector, agent_budget_ms, check_services

__all__ = ["kind_and_type", "mesh_body", "selection_of", "with_budget", "within"]

A = TypeVar("A", bound=Answer)
_SELECTION: Final = {field.name for field in msgspec.structs.fields(MeshQuestion)} - {
    field.name for field in msgspec.structs.fields(Question)
}


@overload
def kind_and_type(kind: type[A]) -> tuple[str, type[A]]: ...
@overload
def kind_and_type(kind: str) -> tuple[str, type[Any] | None]: ...
@overload
def kind_and_type(kind: type[A] | str) -> tuple[str, type[Any] | None]: ...
def kind_and_type(kind: type[A] | str) -> tuple[str, type[Any] | None]:
    """The name of a kind and its answer type, where one is known; ``servers`` is ``server``.

    Raises:
        BadName: that cannot be the name of a kind.
    """
    if isinstance(kind, str):
        name = summed_kind(check_token(kind, "kind"))
        return name, answer_type_of(name)
    return kind_of_type(kind), kind


def selection_of(fields: dict[str, Any]) -> MeshQuestion:
    """The selection in keyword arguments; the other fields of a mesh question come with the question itself.

    Raises:
        Declined: an unknown or wrong field, or a name that cannot stand in a subject.
    """
    if wrong := sorted(fields.keys() - _SELECTION):
        raise Declined(f"no field of a selection: {', '.join(wrong)}", hint=f"fields: {', '.join(sorted(_SELECTION))}")
    try:
        chosen = msgspec.convert(fields, MeshQuestion)
    except msgspec.ValidationError as error:
        raise Declined(str(error)) from None
    check_services(chosen.services)
    Selector(chosen)
    return chosen


def with_budget(question: Question, timeout_s: float) -> Question:
    """A question for an agent, with the time that its asker leaves it; one that names its own keeps it."""
    if question.timeout_ms is not None:
        return question
    return msgspec.structs.replace(question, timeout_ms=agent_budget_ms(timeout_s))


def within(question: Question, left_s: float) -> Question:
    """A question for a coordinator, which may take no longer than what is left, whatever time it names itself."""
    left_ms = agent_budget_ms(left_s)
    return msgspec.structs.replace(question, timeout_ms=min(question.timeout_ms or left_ms, left_ms), chunks=True)


def mesh_body(question: Question, selection: MeshQuestion, left_s: float) -> bytes:
    """The body of a question to a coordinator: the kind's own fields, the selection, and the time for it all."""
    fields: Mapping[str, Any] = msgspec.to_builtins(question)
    left_ms = max(1, int(left_s * 1000))
    ours = {"timeout_ms": min(question.timeout_ms or left_ms, left_ms), "chunks": True}
    return encode({**fields, **ours, **msgspec.to_builtins(selection)})
