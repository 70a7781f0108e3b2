"""`diagmesh read crash`: how a Go program crashed, from what it wrote."""

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from rich.console import Group

from diagmesh.adapters.gocrash import crashes_of
from diagmesh.adapters.godump import lines_of
from diagmesh.contract.answers.crash import Crash
from diagmesh.errors import Unreadable
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.reading import each_file
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.crash import crash_page
from diagmesh_cli.views.readings import file_part

__all__ = ["Crashes", "crash"]

_MOST: Final = 1000


class Crashes(msgspec.Struct, frozen=True, kw_only=True):
    """The crashes of one file, in their order.

    Args:
        crashes: the first thousand.
        left_out: how many more there are.
    """

    crashes: tuple[Crash, ...]
    left_out: int = 0


def crash(
    *files: Annotated[str, Parameter(metavar="FILE", show_default=False)],
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """How a Go program crashed: kind, message, goroutine, the first line of its own code.

    Args:
        files: standard error, a log with it, or a dump; also packed (gz); - is standard input.
        shown: how to show it.
    """
    output = Output.of(shown)
    if not files:
        raise UsageError("name a file: diagmesh read crash FILE")
    read = list(each_file(files, _read))
    parts = [part for one in read for part in file_part(one, len(read), lambda found: crash_page(found.crashes))]
    output.show({"files": read}, Group(*parts))
    if any(one.problem is not None for one in read):
        return Exit.UNSURE
    return Exit.FINDINGS


def _read(chunks: Iterator[bytes]) -> Crashes:
    found, left_out = list[Crash](), 0
    for one in crashes_of(lines_of(chunks)):
        if len(found) < _MOST:
            found.append(one)
        else:
            left_out += 1
    if not found:
        raise Unreadable("crash", "no panic, fatal error or goroutine of Go is in it")
    return Crashes(crashes=tuple(found), left_out=left_out)
