"""`diagmesh read races`: what the race detector of Go reported, out of files."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from rich.console import Group

from diagmesh.adapters.gorace import Collected, RaceReader
from diagmesh.contract.answers.races import Races
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.reading import FileRead, each_file
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.races import VIEW
from diagmesh_cli.views.readings import file_part

__all__ = ["RacesRead", "races"]

_MOST_RACES: Final = 10_000
_MOST_FRAMES: Final = 512


class RacesRead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands in the files.

    Args:
        files: each of them.
        merged: all of them as one, where there are several: each race once, with the reports per file.
    """

    files: tuple[FileRead[Races], ...]
    merged: Races | None = None


def races(
    *files: Annotated[str, Parameter(metavar="FILE", show_default=False)],
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """What the race detector of Go reported: each race once, with both stacks and where the goroutines were made.

    The files may be those of GORACE=log_path, captured output with other lines in it, logs of docker, journald or
    Kubernetes, and what go test -json prints. Ends with 1 when there are races, with 2 when a file could not be read or
    a report in it is cut or damaged.

    Args:
        files: any number of them, also packed (gz); - is standard input.
        shown: how to show it.
    """
    if not files:
        raise UsageError("name a file: diagmesh read races FILE…; - means standard input")
    output = Output.of(shown)
    read = tuple(each_file(tuple(dict.fromkeys(files)), _read))
    told = [(one.file, one.answer) for one in read if one.answer is not None]
    merged = Races.as_one(told) if len(told) > 1 else None
    if merged is None:
        parts = [part for one in read for part in file_part(one, len(read), VIEW.page)]
    else:
        parts = [VIEW.page(merged)]
        parts += [part for one in read if one.problem is not None for part in file_part(one, 1, VIEW.page)]
    output.show(RacesRead(files=read, merged=merged), Group(*parts))
    return _exit(read)


def _exit(read: Sequence[FileRead[Races]]) -> Exit:
    if any(one.answer is None or one.answer.cut for one in read):
        return Exit.UNSURE
    return Exit.FINDINGS if any(one.answer is not None and one.answer.reports for one in read) else Exit.WELL


def _read(pieces: Iterator[bytes]) -> Races:
    reader, found = RaceReader(), Collected(_MOST_RACES, _MOST_FRAMES)
    for piece in pieces:
        for report in reader.feed(piece):
            found.add(report)
    for report in reader.end():
        found.add(report)
    return Races(
        distinct=len(found.races),
        reports=found.reports,
        races=tuple(sorted(found.races, key=lambda race: -race.count)),
        unsorted=found.dropped,
        cut=reader.cut,
        announced=reader.announced,
    )
