"""`diagmesh control log-level`: have sidecars log more or less for a while."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Group
from rich.text import Text

from diagmesh.client import Heard, Told, set_log_level
from diagmesh.contract.control import Level, LogLevel, LogLevelQuestion
from diagmesh_cli.exits import Exit
from diagmesh_cli.operator import SeedFile, operator
from diagmesh_cli.options import Common
from diagmesh_cli.output import Output
from diagmesh_cli.session import connected
from diagmesh_cli.targets import target_of
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.parts import problem_line, silent_lines

__all__ = ["log_level"]

_LONGEST_S = 3600


async def log_level(
    target: str,
    level: Level,
    /,
    *,
    for_: Annotated[float, Parameter(name="--for", metavar="SECONDS")] = 60,
    seed_file: SeedFile = None,
    common: Common = Common(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Have the sidecar of an instance (or all those of a service) log more or less for a while, then as before.

    Coordinators are the service mesh. Each obeys only the operators that its settings list, and only where they allow
    log-level; the service itself is not touched.

    Args:
        target: SERVICE or SERVICE/INSTANCE; mesh or mesh/INSTANCE for coordinators.
        level: debug, info, warning or error.
        for_: how long, 1 to 3600.
        seed_file: seed of the operator's key. Default: --nkey-file, else that of a running 'diagmesh up' of yours.
        common: where the mesh is, how to show it.
    """
    if not 1 <= for_ <= _LONGEST_S:
        raise UsageError(f"--for {for_:g}: give 1 to {_LONGEST_S} seconds")
    service, instance = target_of(target)
    seed, common = operator(seed_file, common)
    output = Output.of(common)
    question = LogLevelQuestion(level=level, for_s=for_)
    async with connected(common, output) as mesh, output.waiting(f"asking {target}"):
        told = await set_log_level(mesh, service, instance, question=question, seed_file=seed, timeout_s=common.timeout)
    report = {"each": [heard.reply for heard in told.each], "silent": told.silent}
    output.show(report, Group(*map(_line, told.each), *silent_lines(told.silent)))
    return _exit(told)


def _exit(told: Told) -> Exit:
    if told.silent or any(heard.problem is not None for heard in told.each):
        return Exit.UNSURE
    return Exit.WELL if told.each else Exit.NOBODY


def _line(heard: Heard[LogLevel]) -> Text:
    who = Text.assemble((heard.where, "bold"), ": ")
    if heard.problem is not None:
        return who.append_text(problem_line(heard.problem))
    answer = heard.answer
    whose = "" if heard.reply.service == "mesh" else "its sidecar "
    return who.append(
        f"{whose}logs at {answer.level} for {answer.for_s:g} s (until {answer.until:%H:%M:%S} UTC),"
        f" then at {answer.then}"
    )
