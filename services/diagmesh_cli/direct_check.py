"""A check without a coordinator: the instances are asked from here, and the rules are applied here."""

import asyncio
from typing import Any

import msgspec

from diagmesh.checking import check_of, kinds_of, notes_of, of_coordinators, selected
from diagmesh.client import Mesh
from diagmesh.contract.directory import Services
from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.diagnose import Engine, chosen
from diagmesh.errors import NoResponders
from diagmesh.expected import Gathered, Key
from diagmesh.packs import load_rules
from diagmesh_cli.trouble import UsageError

__all__ = ["check_directly"]

_SETTINGS_NOTE = "judged from here, with the default thresholds: the settings of the coordinator are not known"


async def check_directly(mesh: Mesh, question: CheckQuestion, timeout_s: float) -> Check:
    """Ask for what the rules read, all kinds at once, and judge.

    Args:
        mesh: the connection.
        question: whom to judge by which rules.
        timeout_s: for the last answer.

    Raises:
        UsageError: a rule that does not exist.
        BusError: the instances could not be asked.
        Refusal: the selection means nobody.
    """
    pack = load_rules()
    if wrong := [code for code in question.codes if not chosen(pack.rules.values(), (code,))]:
        raise UsageError(f"--code {', '.join(wrong)}: there is no such rule and no such family; see `diagmesh explain`")
    engine = Engine(pack, (), question.codes, costly=False)
    rounds = (_gather(mesh, kind, question, timeout_s) for kind in kinds_of(engine.rules))
    selection = MeshQuestion(services=question.services, instances=question.instances)
    directory, gathered, coordinators = await asyncio.gather(
        _directory(mesh, question, timeout_s),
        asyncio.gather(*rounds),
        _coordinators(mesh, of_coordinators(engine.rules, selection), timeout_s),
    )
    labels = {
        Key(entry.service, one.instance): one.labels
        for entry in (directory.services if directory is not None else ())
        for one in entry.instances
    }
    notes = (*notes_of(gathered, directory), _SETTINGS_NOTE)
    return await asyncio.to_thread(check_of, engine, gathered, directory, labels, notes, coordinators)


async def _gather(mesh: Mesh, kind: str, question: CheckQuestion, timeout_s: float) -> Gathered:
    chosen: dict[str, Any] = {"services": question.services, "instances": question.instances, "labels": question.labels}
    stream = mesh.stream(kind, timeout_s=timeout_s, **chosen)
    async for _ in stream:
        pass  # what came is in the result
    return msgspec.structs.replace(stream.result, notes=stream.notes)


async def _coordinators(mesh: Mesh, kind: str, timeout_s: float) -> Gathered | None:
    """What the coordinators say of themselves; None when no rule wants to know, or there are none to judge."""
    if not kind:
        return None
    stream = mesh.stream(kind, timeout_s=timeout_s)
    try:
        async for _ in stream:
            pass
    except NoResponders:
        return None
    return stream.result


async def _directory(mesh: Mesh, question: CheckQuestion, timeout_s: float) -> Services | None:
    """The part of the directory that is meant; None when nobody keeps one."""
    try:
        directory = await mesh.services(*question.services, timeout_s=timeout_s)
    except NoResponders:
        return None
    selection = MeshQuestion(services=question.services, instances=question.instances, labels=question.labels)
    return selected(directory, selection)
