"""A run under the race detector: how it went, then the races."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from diagmesh_cli.racerun.run import RaceRun, RunEnded, TestedPackages
from diagmesh_cli.views import races
from diagmesh_cli.views.parts import indented, names
from diagmesh_cli.views.words import duration, plural

__all__ = ["run_view"]


def run_view(run: RaceRun) -> RenderableType:
    """All of it."""
    parts: list[RenderableType] = [Text(f"{run.command}  ({run.go}, {duration(run.took_s)})", "dim")]
    parts += _how(run)
    parts.append(races.VIEW.page(run.answer))
    return Group(*parts)


def _how(run: RaceRun) -> Iterator[RenderableType]:
    if run.ended is RunEnded.NOT_BUILT:
        yield Text("it could not be built", "bold red")
    elif run.ended is RunEnded.INTERRUPTED:
        yield Text("interrupted: what follows is what was seen until then", "yellow")
    elif run.ended is RunEnded.TIMEOUT:
        yield Text("ended when the time was over (--for)", "yellow" if run.tests else "dim")
    if run.tests is not None:
        yield from _packages(run.tests)
    if run.program:
        yield Text(f"the program {run.program}", "yellow" if run.failed else "dim")
    elif run.failed:
        yield Text("the command failed", "bold red")
    if run.said:
        yield from (Padding(Text(line, "dim"), (0, 0, 0, 4)) for line in run.said.splitlines()[-20:])


def _packages(tests: TestedPackages) -> Iterator[RenderableType]:
    told = [f"{plural(tests.of or 0, 'package')}: {tests.passed} passed"]
    told += [f"{tests.without_tests} without tests"] if tests.without_tests else []
    yield Text(", ".join(told))
    for what, which in (
        ("failed because of a race", tests.raced),
        ("failed for another reason", tests.failed),
        ("not built", tests.not_built),
        ("not finished", tests.unfinished),
    ):
        yield from _some(what, which)


def _some(what: str, which: Sequence[str]) -> Iterator[RenderableType]:
    if which:
        yield indented(Text.assemble((f"{len(which)} {what}: ", "yellow"), names(which)))
