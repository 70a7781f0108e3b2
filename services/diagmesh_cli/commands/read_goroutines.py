"""`diagmesh read goroutines`: what the goroutines of a dump do, and what became of them since another one."""

import functools
import time
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Group

from diagmesh.adapters.godump.memory import growth_between
from diagmesh.adapters.godump.report import Shape, answer_of
from diagmesh.adapters.godump.whole import Read, read_dump
from diagmesh.contract.answers.goroutines import Cost, DumpForm, Goroutines, Level
from diagmesh.contract.wire import Problem
from diagmesh.errors import Unreadable
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.reading import FileRead, each_file, pieces
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.goroutines import VIEW
from diagmesh_cli.views.readings import file_part

__all__ = ["goroutines"]

_ALL: Final = 1_000_000
_SHOWN: Final = Shape(groups=20, members=0)
_FULL: Final = Shape(groups=_ALL, frames=_ALL, members=100_000, waited=_ALL, ids=100_000)
"""For programs: everything that was kept."""
_LEAST_S: Final = 1.0
"""Files of the same second were copied, and say nothing of when they were taken."""


def goroutines(
    *files: Annotated[str, Parameter(metavar="FILE", show_default=False)],
    base: Annotated[str, Parameter(metavar="FILE", show_default=False)] = "",
    level: Literal["exact", "functions", "leaf"] = "functions",
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """What goroutines do: alike ones together, on what they wait, who seems to hold it, circles, growth.

    Args:
        files: /debug/pprof/goroutine in any form (debug=2, debug=1, protobuf), or output of a program; also packed;
            - is stdin.
        base: an earlier dump; what grew since then is told by where it was started.
        level: alike are those at the same lines, in the same functions, or with the same innermost function.
        shown: how to show it.
    """
    output, chosen = Output.of(shown), Level(level)
    shape = (_FULL if shown.json else _SHOWN)._replace(level=chosen)
    before = _base(base, shape) if base else None
    if not files:
        raise UsageError("name a file: diagmesh read goroutines FILE")
    read = list(each_file(files, functools.partial(_read, shape)))
    told = [_told(one, chosen, before, base) for one in read]
    output.show({"files": told}, Group(*(part for one in told for part in file_part(one, len(told), VIEW.page))))
    if any(one.problem is not None for one in told):
        return Exit.UNSURE
    return Exit.FINDINGS if any(one.answer is not None and one.answer.cycles for one in told) else Exit.WELL


class _Timed(msgspec.Struct, frozen=True):
    read: Read
    read_bytes: int
    parse_ms: float


def _read(shape: Shape, chunks: Iterator[bytes]) -> _Timed:
    started, size = time.perf_counter(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in chunks:
            size += len(piece)
            yield piece

    read = read_dump(counted(), shape)
    return _Timed(read, size, round(1000 * (time.perf_counter() - started), 3))


def _base(file: str, shape: Shape) -> Read:
    try:
        return read_dump(pieces(file), shape)
    except Unreadable as error:
        raise Unreadable(f"--base {file}", error.why, error.fix) from None


def _told(one: FileRead[_Timed], level: Level, before: Read | None, base: str) -> FileRead[Goroutines]:
    if one.answer is None:
        return FileRead(file=one.file, problem=one.problem)
    read = one.answer.read
    answer = msgspec.structs.replace(
        answer_of(read.report, level),
        form=read.form,
        source=one.file,
        cost=Cost(read_bytes=one.answer.read_bytes, parse_ms=one.answer.parse_ms),
    )
    if before is not None and (read.form is DumpForm.STACKS) != (before.form is DumpForm.STACKS):
        # Stacks say where goroutines were started, counts where they are: as growth that would be nonsense.
        why = f"{one.file} has {read.form}, and --base {base} has {before.form}: take both in the same form"
        return FileRead(file=one.file, problem=Problem(code=422, error="cannot be compared", detail=why))
    if before is not None:
        over_s = _between_s(base, one.file)
        growth = tuple(growth_between(before.report.sites, read.report.sites, over_s))
        answer = msgspec.structs.replace(answer, growth=growth, watched_s=over_s or None, looks=2)
    return FileRead(file=one.file, answer=answer)


def _between_s(base: str, file: str) -> float:
    """How much later the second file was written; 0 when that is not known, or not later."""
    try:
        later, earlier = Path(file).stat(), Path(base).stat()
    except OSError:
        return 0.0
    if not (S_ISREG(later.st_mode) and S_ISREG(earlier.st_mode)):
        return 0.0  # what comes through a pipe may be of any time
    between_s = later.st_mtime - earlier.st_mtime
    return round(between_s, 3) if between_s >= _LEAST_S else 0.0
