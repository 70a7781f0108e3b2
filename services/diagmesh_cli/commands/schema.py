"""`diagmesh schema`: JSON Schemas of everything on the wire, and the AsyncAPI document made of them."""

from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.table import Table

from diagmesh.contract.asyncapi import asyncapi
from diagmesh.contract.schema import Kinds, schemas
from diagmesh.packs import AgentPack, load_agents
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output, as_json
from diagmesh_cli.trouble import UsageError

__all__ = ["schema", "wire_schemas", "write_schemas"]

_PARTS: Final = ("question", "answer", "reply")


def schema(
    name: Annotated[str, Parameter(show_default=False)] = "",
    /,
    *,
    write: Annotated[Path | None, Parameter(metavar="DIRECTORY", show_default=False)] = None,
    as_asyncapi: Annotated[bool, Parameter(name="--asyncapi", negative=())] = False,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """JSON Schemas (draft 2020-12) of everything on the wire.

    Args:
        name: a kind (health), or one schema of the list (health.reply). Default: the list.
        write: write every schema into this directory, one NAME.json each.
        as_asyncapi: subjects, messages and schemas as one AsyncAPI 3 document instead (with --write: asyncapi.json).
        shown: how to show it.
    """
    output, pack = Output.of(shown), load_agents()
    every = wire_schemas(pack)
    if as_asyncapi:
        if name:
            raise UsageError(f"--asyncapi is one document of everything; leave out {name!r}")
        every = {"asyncapi": asyncapi(_kinds(pack))}
    if write is not None:
        write_schemas(every, write)
        output.show({"written": len(every), "directory": str(write)}, f"{_count(every)} written to {write}")
    elif as_asyncapi:
        output.print_json(every["asyncapi"], indent=True)  # as --write has it
    elif name in every:
        output.print_json(every[name])
    elif name:
        output.print_json(_of_kind(every, name))
    else:
        output.show(every, _list(every))
    for one in pack.broken:
        output.note(f"no schema of {one.kind}: the agent {one.module} is broken: {one.reason}")
    return Exit.FINDINGS if pack.broken else Exit.WELL


def wire_schemas(pack: AgentPack | None = None) -> dict[str, dict[str, Any]]:
    """Every schema by name, for these agents; None means those that are installed here."""
    return schemas(_kinds(pack or load_agents()))


def _kinds(pack: AgentPack) -> Kinds:
    return {kind: (spec.question, spec.answer) for kind, spec in sorted(pack.agents.items())}


def write_schemas(every: dict[str, dict[str, Any]], directory: Path) -> None:
    """One file per schema.

    Raises:
        UsageError: the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, document in every.items():
            (directory / f"{name}.json").write_bytes(as_json(document, indent=True) + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}; name another directory") from None


def _count(every: dict[str, dict[str, Any]]) -> str:
    return "asyncapi.json" if "asyncapi" in every else f"{len(every)} schemas"


def _of_kind(every: dict[str, dict[str, Any]], kind: str) -> dict[str, Any]:
    found = {part: every[f"{kind}.{part}"] for part in _PARTS if f"{kind}.{part}" in every}
    if not found:
        raise UsageError(f"no schema {kind!r}; `diagmesh schema` lists them: {', '.join(every)}")
    return found


def _list(every: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("SCHEMA", no_wrap=True)
    table.add_column("TELLS")
    for name, document in every.items():
        table.add_row(name, str(document["title"]))
    return table
