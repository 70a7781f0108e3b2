"""`diagmesh forget`: expect a lost instance or service no longer."""

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from diagmesh.client import Heard
from diagmesh.contract.control import Forgotten
from diagmesh.contract.mesh import Where
from diagmesh_cli.exits import Exit
from diagmesh_cli.operator import SeedFile, operator
from diagmesh_cli.options import Common
from diagmesh_cli.output import Output
from diagmesh_cli.session import connected
from diagmesh_cli.targets import target_of
from diagmesh_cli.views.parts import problem_line

__all__ = ["forget"]


async def forget(
    target: str,
    /,
    *,
    seed_file: SeedFile = None,
    common: Common = Common(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Expect a lost instance (or all lost ones of a service) no longer. The request is signed with an operator's key.

    Args:
        target: SERVICE or SERVICE/INSTANCE.
        seed_file: seed of the operator's key. Default: --nkey-file, else that of a running 'diagmesh up' of yours.
        common: where the mesh is, how to show it.
    """
    service, instance = target_of(target)
    seed, common = operator(seed_file, common)
    output = Output.of(common)
    async with connected(common, output) as mesh, output.waiting(f"forgetting {target}"):
        told = await mesh.forget(service, instance, seed_file=seed, timeout_s=common.timeout)
    output.show([heard.reply for heard in told], Group(*(_line(heard, target) for heard in told)))
    if any(heard.problem is not None for heard in told):
        return Exit.UNSURE
    return _code([heard.answer for heard in told], instance)


def _code(answers: Sequence[Forgotten], instance: str) -> Exit:
    """What was asked for has been done, or it was not: who is live is not forgotten, and who is not known cannot be."""
    if any(answer.forgotten for answer in answers):
        return Exit.WELL
    if any(answer.kept for answer in answers):
        return Exit.UNSURE if instance else Exit.WELL  # of the service nobody is lost
    return Exit.NOBODY


def _line(heard: Heard[Forgotten], target: str) -> Text:
    who = Text.assemble("coordinator ", (heard.reply.instance, "bold"), ": ")
    if heard.problem is not None:
        return who.append_text(problem_line(heard.problem))
    forgotten, kept = heard.answer.forgotten, heard.answer.kept
    if forgotten:
        who.append(f"forgotten: {_names(forgotten)}")
    else:
        who.append("nobody to forget" if kept else f"nobody to forget: it expects no {target}")
    return who.append(f"; still live, so kept: {_names(kept)}", "yellow") if kept else who


def _names(all_of_them: tuple[Where, ...]) -> str:
    return ", ".join(f"{one.service}/{one.instance}" for one in all_of_them)
