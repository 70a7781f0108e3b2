"""`diagmesh ask`: one instance, a service or the whole mesh."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson
from cyclopts import Parameter
from rich.console import Group

from diagmesh.client import Heard, Mesh, MeshResult, Stream
from diagmesh.client.kinds import COORDINATOR_KINDS, ITSELF
from diagmesh.contract.codec import encode
from diagmesh.contract.kinds import summed_kind
from diagmesh.contract.mesh import Ended, MeshAnswer
from diagmesh.contract.wire import WIRE_VERSION, Detail, Question, Reply, Status
from diagmesh.errors import Unreadable
from diagmesh.gather import Progress
from diagmesh_cli.careful import ask_in_batches
from diagmesh_cli.exits import Exit
from diagmesh_cli.history import Look
from diagmesh_cli.output import Output
from diagmesh_cli.session import connected
from diagmesh_cli.targets import target_of
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.verdict import of_reply, of_sum
from diagmesh_cli.views.replies import page, sum_of
from diagmesh_cli.watching import Asking, Taken, checked, watch

__all__ = ["ask", "mesh_reply", "question_of"]

_SAMPLING: Final = frozenset({"profile"})
"""Kinds that look for a second or more unless they are asked otherwise."""
_SAMPLING_S: Final = 8.0
_MESH, _DIRECTORY = "mesh", "services"
_DETAIL = Literal["brief", "normal", "full"]
_OPTIONS: Final = {
    "batch": "--batch N",
    "pause_ms": "--pause TIME",
    "labels": "--label SELECTOR",
    "each": "--each",
    "services": "the service as target: diagmesh ask KIND SERVICE",
    "instances": "the instance as target: diagmesh ask KIND SERVICE/INSTANCE",
}
"""What says whom to ask, and how, is no field of what is asked."""
_FIELDS: Final = Parameter(metavar="KEY=VALUE", negative="", show_default=False)


async def ask(
    kind: str,
    target: Annotated[str, Parameter(show_default=False)] = "",
    /,
    *,
    one: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    each: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    detail: _DETAIL = "normal",
    set: Annotated[tuple[str, ...], _FIELDS] = (),  # noqa: A002  the option's name
    asking: Asking = Asking(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Ask a question: diagmesh ask health, diagmesh ask resources orders, diagmesh ask health orders/i1.

    Args:
        kind: what to ask: health, resources, … (diagmesh services lists the kinds); servers is server, added up.
        target: a service (each of its instances), SERVICE/INSTANCE, or nothing for the whole mesh.
        one: of a service, any one instance.
        each: of the whole mesh, every single answer too.
        detail: how much to tell.
        set: a field of the question (window_s=60); may be given several times.
        asking: where the mesh is, how to show it, and how often.
    """
    output, question, kind = Output.of(asking), question_of(set, detail), summed_kind(kind)
    asking = _patient(kind, asking)
    service, instance = target_of(target)
    if one and (not service or instance):
        raise UsageError("--one means any one instance of a service: diagmesh ask KIND SERVICE --one")
    if (asking.label or asking.batch is not None) and (one or instance):
        raise UsageError("--label and --batch are for many: leave out --one and the instance")
    _fitting(kind, service, instance, watching=asking.watch)
    checked(asking)
    chosen = {"services": (service,) if service else (), "labels": asking.labels, **asking.care}
    async with connected(asking, output) as mesh:
        if asking.watch:
            take = _taker(mesh, kind, target, question, chosen, asking, one=one)
            return await watch(kind, target, take, asking, output)
        if asking.batch is not None:
            return await _carefully(mesh, kind, question, chosen, asking, output, each=each or bool(service))
        async with output.waiting(f"{kind} of {target or 'the mesh'}"):
            if one or instance:
                heard = await mesh.one(kind, service, question, instance=instance, timeout_s=asking.timeout)
            else:
                result = await _many(mesh, kind, question, chosen, each=each or bool(service), asking=asking)
        if one or instance:
            return _show_one(output, heard)
        return _show_sum(output, result)


def _fitting(kind: str, service: str, instance: str, *, watching: bool) -> None:
    """Refuse what only a coordinator tells and has a command of its own, and what a watch cannot draw.

    Raises:
        UsageError: with the command to use.
    """
    if kind in COORDINATOR_KINDS and not (kind == _DIRECTORY and service == _MESH and instance):
        target = f" {service}" if service and service != _MESH else ""
        raise UsageError(f"{kind} is a command of its own: diagmesh {kind}{target}")
    if watching and service == _MESH and kind != ITSELF:
        raise UsageError(f"a watch asks any coordinator: leave out {_MESH}{'/' * bool(instance)}{instance}")


def _patient(kind: str, asking: Asking) -> Asking:
    """With the usual time for kinds that take seconds, unless somebody says how long to wait."""
    usual = asking.timeout == Asking.timeout
    return replace(asking, timeout=_SAMPLING_S) if usual and kind in _SAMPLING else asking


def _taker(
    mesh: Mesh, kind: str, target: str, question: Question, chosen: dict[str, Any], asking: Asking, *, one: bool
) -> Callable[[], Awaitable[Taken]]:
    """Takes one look of a watch: always with every single answer."""
    service, instance = target_of(target)

    async def take() -> Taken:
        if one or instance:
            heard = await mesh.one(kind, service, question, instance=instance, timeout_s=asking.timeout)
            return Taken(Look(each=(heard,)), heard.reply, of_reply(heard.reply))
        result = await _many(mesh, kind, question, chosen, each=True, asking=asking)
        look = Look(each=result.each, silent=result.silent, not_asked=result.answer.not_asked)
        return Taken(look, mesh_reply(result), of_sum(result.answer))

    return take


async def _carefully(
    mesh: Mesh, kind: str, question: Question, chosen: dict[str, Any], asking: Asking, output: Output, *, each: bool
) -> Exit:
    def stream_of(progress: Progress) -> Stream[Any]:
        return mesh.stream(kind, question, timeout_s=asking.timeout, progress=progress, **chosen)

    result = await ask_in_batches(stream_of, output, f"{kind} in batches", each=each)
    output.show(mesh_reply(result), sum_of(result, output.out.width))
    return Exit.INTERRUPTED if result.ended is Ended.INTERRUPTED else of_sum(result.answer)


async def _many(
    mesh: Mesh, kind: str, question: Question, chosen: dict[str, Any], *, each: bool, asking: Asking
) -> MeshResult[Any]:
    if each:
        return await mesh.all(kind, question, timeout_s=asking.timeout, **chosen)
    return await mesh.mesh(kind, question, timeout_s=asking.timeout, **chosen)


def _show_one(output: Output, heard: Heard[Any]) -> Exit:
    if (added_up := _sum_in(heard)) is not None:
        return _show_sum(output, MeshResult(answer=added_up, coordinator=heard.reply.instance, reply=heard.reply))
    output.show(heard.reply, Group(page(heard)))
    return of_reply(heard.reply)


def _sum_in(heard: Heard[Any]) -> MeshAnswer | None:
    """What a coordinator has added up, which answers so by its name, too; None for any other reply."""
    if heard.problem is not None or heard.reply.service != _MESH:
        return None
    try:
        return heard.answer if isinstance(heard.answer, MeshAnswer) else None
    except Unreadable:
        return None


def _show_sum(output: Output, result: MeshResult[Any]) -> Exit:
    output.show(mesh_reply(result), sum_of(result, output.out.width))
    return of_sum(result.answer)


def mesh_reply(result: MeshResult[Any]) -> Reply:
    """A sum as it came, or as a coordinator would have sent it when it was added up here."""
    return result.reply or Reply(
        v=WIRE_VERSION,
        service="mesh",
        instance=result.coordinator,
        kind=result.answer.of,
        status=Status.ANSWERED,
        answer=msgspec.Raw(encode(result.answer)),
    )


def question_of(fields: tuple[str, ...], detail: str) -> Question:
    """A question with fields from the command line; the agent says if they are wrong.

    Raises:
        UsageError: not of the form KEY=VALUE, or a key that has an option of its own.
    """
    values: dict[str, Any] = {"detail": Detail(detail)}
    for given in fields:
        key, equals, text = given.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--set {given!r}: write it as KEY=VALUE, for example --set window_s=60")
        if key in _OPTIONS:
            raise UsageError(f"--set {given}: that is no field of the question; say {_OPTIONS[key]}")
        values[key] = _value(text)
    own = [(key, Any) for key in values if key not in Question.__struct_fields__]
    asked: Any = msgspec.defstruct("Asked", own, bases=(Question,), frozen=True, kw_only=True, omit_defaults=True)
    question: Question = asked(**values)
    return question


def _value(text: str) -> Any:
    """JSON where it is JSON (numbers, true, lists), else text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
