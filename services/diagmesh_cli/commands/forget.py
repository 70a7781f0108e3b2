"""`diagmesh forget`: expect a lost instance or service no longer."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Group
from rich.text import Text

from diagmesh.client import Heard
from diagmesh.contract.control import Forgotten
from diagmesh.contract.mesh import Where
from diagmesh_cli.exits import Exit
from diagmesh_cli.local import rundir
from diagmesh_cli.options import Common
from diagmesh_cli.output import Output
from diagmesh_cli.session import connected
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.parts import problem_line

__all__ = ["forget"]

_PRIVILEGED_INBOX = "_INBOX_priv"


async def forget(
    target: str,
    /,
    *,
    seed_file: Annotated[Path | None, Parameter(metavar="FILE", show_default=False)] = None,
    common: Common = Common(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Expect a lost instance (or all lost ones of a service) no longer. The request is signed with an operator's key.

    Args:
        target: SERVICE or SERVICE/INSTANCE.
        seed_file: seed of the operator's key. Default: --nkey-file, else that of a running 'diagmesh up' of yours.
        common: where the mesh is, how to show it.
    """
    service, _, instance = target.partition("/")
    seed, common = _operator(seed_file, common)
    output = Output.of(common)
    async with connected(common, output) as mesh, output.waiting(f"forgetting {target}"):
        told = await mesh.forget(service, instance, seed_file=seed, timeout_s=common.timeout)
    output.show([heard.reply for heard in told], Group(*map(_line, told)))
    if not told:
        return Exit.NOBODY
    return Exit.WELL if all(heard.problem is None for heard in told) else Exit.UNSURE


def _operator(seed_file: Path | None, common: Common) -> tuple[Path, Common]:
    """The key that signs, and the connection that may carry it: the same key, where none is given for it."""
    running = rundir.discover() if not common.nats else None
    if seed_file is None and common.nkey_file:
        seed_file = Path(common.nkey_file)
    if seed_file is None and running is not None:
        seed_file = Path(running.operator_seed_file)
    if seed_file is None:
        raise UsageError("whose key signs this? give --seed-file FILE with the seed of an operator's user nkey")
    if common.nkey_file or common.creds_file:
        return seed_file, common
    inbox = common.inbox_prefix or (_PRIVILEGED_INBOX if running is not None else "")
    return seed_file, replace(common, nkey_file=str(seed_file), inbox_prefix=inbox)


def _line(heard: Heard[Forgotten]) -> Text:
    who = Text.assemble("coordinator ", (heard.reply.instance, "bold"), ": ")
    if heard.problem is not None:
        return who.append_text(problem_line(heard.problem))
    forgotten, kept = heard.answer.forgotten, heard.answer.kept
    who.append(f"forgotten: {_names(forgotten)}" if forgotten else "nobody to forget")
    return who.append(f"; still live, so kept: {_names(kept)}", "yellow") if kept else who


def _names(all_of_them: tuple[Where, ...]) -> str:
    return ", ".join(f"{one.service}/{one.instance}" for one in all_of_them)
