"""`diagmesh read profile`: where a Go program spends CPU and memory, from files of pprof."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Group

from diagmesh.adapters.pprof.merge import merged
from diagmesh.adapters.pprof.profile import Profile as Stacks
from diagmesh.contract.answers.profile import Profile
from diagmesh.contract.wire import Problem
from diagmesh.errors import Declined, Unreadable
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.profiles import Looked, Pair, drawer, read_file, tell, write_folded, write_html
from diagmesh_cli.reading import FileRead
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.profile import VIEW
from diagmesh_cli.views.readings import file_part

__all__ = ["profile"]

_TEXT = Parameter(show_default=False)
_FILE = Parameter(metavar="FILE", show_default=False)
_FLAG = Parameter(negative="", show_default=False)


def profile(  # noqa: PLR0913  each is an option
    *files: Annotated[str, Parameter(metavar="FILE", show_default=False)],
    base: Annotated[str, _FILE] = "",
    type: Annotated[str, _TEXT] = "",  # noqa: A002  the option's name
    focus: Annotated[str, _TEXT] = "",
    ignore: Annotated[str, _TEXT] = "",
    peek: Annotated[str, _TEXT] = "",
    lines: Annotated[bool, _FLAG] = False,
    top: int = 20,
    html: Annotated[Path | None, _FILE] = None,
    folded: Annotated[Path | None, _FILE] = None,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """What a profile says, as pprof -top does, number by number; several files are added up.

    Args:
        files: profiles of net/http/pprof or runtime/pprof, packed or not; - is standard input.
        base: an earlier profile; what grew is positive, what shrank negative.
        type: which of its numbers: cpu, inuse_space, alloc_space, delay, … Default: as pprof chooses.
        focus: only stacks with a function, file or program that matches this regular expression.
        ignore: only stacks without any that matches.
        peek: functions (a regular expression) of which callers and callees are shown.
        lines: rows for lines, too.
        top: so many rows.
        html: draw flame graphs into this file; it opens without a network.
        folded: write the stacks into this file, a line each, for other programs that draw.
        shown: how to show it.
    """
    output, looked = Output.of(shown), Looked(type, focus, ignore, peek, lines, max(1, top))
    if not files:
        raise UsageError("name a file: diagmesh read profile FILE")
    if html is not None:
        drawer()
    name = ", ".join(files)
    try:
        pair = Pair(
            merged([_read(file) for file in files]), _read(base) if base else None, base and f"the profile in {base}"
        )
        read = FileRead(file=name, answer=tell(pair, looked, full=shown.json))
        if html is not None:
            write_html(html, _title(name, base), _about(pair), pair, looked)
        if folded is not None:
            write_folded(folded, pair, looked)
    except Declined as refusal:
        raise UsageError(f"{refusal.detail}{refusal.hint and f' ({refusal.hint})'}") from None
    except Unreadable as error:
        read = FileRead[Profile](file=name, problem=Problem(code=422, error="cannot be read", detail=str(error)))
    output.show({"files": [read]}, Group(*file_part(read, 1, VIEW.page)))
    return Exit.UNSURE if read.problem is not None else Exit.WELL


def _read(file: str) -> Stacks:
    try:
        return read_file(file)
    except Unreadable as error:
        raise Unreadable(file, error.why, error.fix) from None


def _title(name: str, base: str) -> str:
    short = ", ".join(Path(one).name for one in name.split(", "))
    return f"{short} compared with {Path(base).name}" if base else short


def _about(pair: Pair) -> str:
    stacks = pair.now
    words = [f"{one.type} ({one.unit})" for one in stacks.types]
    over = f" over {stacks.duration_ns / 1e9:.3g} s" if stacks.duration_ns else ""
    return f"{len(stacks.samples):,} stacks{over}: {', '.join(words)}"
