"""`diagctl.mesh.forget.<coordinator>`: an operator's signed word that somebody is not expected any longer."""

from collections.abc import Awaitable, Callable, Collection

from diagmesh.accept import FORGET
from diagmesh.contract.control import ForgetQuestion, Forgotten
from diagmesh.contract.mesh import Where
from diagmesh.control_door import ControlKind, Done
from diagmesh.expected import Key
from diagmesh.serve import Asked
from diagmesh_coordinator.directory import Directory

__all__ = ["forgetting"]


def forgetting(directory: Directory, after: Callable[[Asked], Awaitable[None]] | None = None) -> ControlKind:
    """The control kind with which an operator makes a directory forget; ``after`` as of `ControlKind`."""

    async def forget(question: ForgetQuestion, by: str) -> Done:
        gone, kept = await directory.forget(question.service, question.instance, by)
        answer = Forgotten(forgotten=_wheres(gone), kept=_wheres(kept))
        return Done(answer, f"{len(gone)} forgotten, {len(kept)} kept")

    return ControlKind(FORGET, ForgetQuestion, _asks, forget, "Stop expecting an instance (signed).", after)


def _asks(question: ForgetQuestion) -> str:
    return f"{question.service}/{question.instance or '(all lost)'}"


def _wheres(keys: Collection[Key]) -> tuple[Where, ...]:
    return tuple(Where(service=key.service, instance=key.instance) for key in sorted(keys))
