"""A watch: the same question again and again, and what became of the numbers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple

from cyclopts import Parameter
from rich.live import Live

from diagmesh.errors import BusError, Refusal, Unreadable
from diagmesh_cli.exits import Exit
from diagmesh_cli.history import History, Look
from diagmesh_cli.options import Batched
from diagmesh_cli.output import Output
from diagmesh_cli.trouble import UsageError, explain
from diagmesh_cli.views.watch import WatchView, plain_lines

__all__ = ["Asking", "Taken", "checked", "watch"]

_EVERY_S: Final = 2.0
_SHORTEST_S: Final = 0.2
_LONGEST_S: Final = 3600.0
_FLAG: Final = Parameter(negative="", show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asking(Batched):
    """Where the mesh is, how to show it, and whether to ask once or again and again.

    Args:
        watch: ask again and again, and draw the numbers; Ctrl-C ends it.
        every: seconds from one look to the next, with --watch (default 2).
        count: end after so many looks, with --watch.
    """

    watch: Annotated[bool, _FLAG] = False
    every: Annotated[float | None, Parameter(metavar="SECONDS", show_default=False)] = None
    count: Annotated[int | None, Parameter(metavar="N", show_default=False)] = None


class Taken(NamedTuple):
    """One look as it was taken: what is drawn of it, what it is as JSON, and what it means."""

    look: Look
    report: Any
    code: Exit


def checked(asking: Asking) -> float:
    """Seconds from one look to the next.

    Raises:
        UsageError: the options of a watch without one, or a number that cannot be.
    """
    if not asking.watch and (asking.every is not None or asking.count is not None):
        raise UsageError("--every and --count belong to --watch")
    if asking.watch and asking.batch is not None:
        raise UsageError("--batch asks once: leave out --watch")
    every_s = _EVERY_S if asking.every is None else asking.every
    if not _SHORTEST_S <= every_s <= _LONGEST_S:
        raise UsageError(f"--every {every_s:g}: say {_SHORTEST_S:g} to {_LONGEST_S:g} seconds")
    if asking.count is not None and asking.count < 1:
        raise UsageError(f"--count {asking.count}: say 1 or more looks")
    return every_s


async def watch(kind: str, target: str, take: Callable[[], Awaitable[Taken]], asking: Asking, output: Output) -> Exit:
    """Look until enough looks were made, nobody reads on, or somebody interrupts; returns what the last look means.

    Args:
        kind: what is asked.
        target: who is asked, in words for the title.
        take: takes one look.
        asking: how often.
        output: where it is shown.

    Raises:
        BusError, Refusal, Unreadable: the first look failed; later ones are told, and the watch goes on.
    """
    every_s, history, code, trouble = checked(asking), History(kind), Exit.WELL, ""
    title = f"of {target or 'the mesh'} · every {every_s:g} s"
    due = time.monotonic()
    with _live(output) as live:
        while True:
            report: Any
            try:
                look, report, code = await take()
                trouble = ""
            except (BusError, Refusal, Unreadable) as error:
                if not history.looks:
                    raise
                code, problem = explain(error)
                trouble = problem.detail or problem.error
                look, report = Look(trouble=f"cannot look: {trouble}"), {"error": problem}
            history.add(look)
            _show(output, live, history, title, report)
            if history.looks == asking.count or output.out.reader_gone:
                return code
            due = max(due + every_s, time.monotonic())  # a slow look moves the later ones; none is made up for
            await asyncio.sleep(due - time.monotonic())


def _show(output: Output, live: Live | None, history: History, title: str, report: Any) -> None:
    now = datetime.now().astimezone()
    if output.json:
        output.print_json(report, line=True)
    elif live is not None:
        live.update(WatchView(history, title, now), refresh=True)
    else:
        for line in plain_lines(history, now, output.out.width):
            output.out.print(line)


@contextmanager
def _live(output: Output) -> Iterator[Live | None]:
    """A place that is drawn anew with every look, where there is a terminal to draw on."""
    if output.json or not output.out.is_terminal:
        yield None
        return
    with Live(console=output.out, auto_refresh=False, vertical_overflow="crop") as live:
        yield live
