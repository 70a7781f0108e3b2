"""`diagmesh races`: run Go code of a source tree under the race detector; on this machine only."""

import asyncio
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from cyclopts import Parameter

from diagmesh.contract.wire import Problem
from diagmesh_cli.exits import Exit
from diagmesh_cli.local.children import Family
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.racerun.plan import plan_of
from diagmesh_cli.racerun.run import RaceRun, RunEnded, Runner
from diagmesh_cli.racerun.toolchain import CannotRun, find_toolchain
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.race_run import run_view

__all__ = ["exit_of", "races"]

T = TypeVar("T")
_LONGEST_S: Final = 24 * 3600
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def races(
    *words: Annotated[str, Parameter(metavar="-- GO ARGUMENTS", show_default=False)],
    run: Annotated[Path, Parameter(metavar="DIR")],
    for_: Annotated[float, Parameter(name="--for", metavar="SECONDS")] = 600,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Run the tests (or a program) of a Go module with -race, and tell each race once.

    Ends with 1 when there are races; with 2 when something was not built, failed for another reason or did not end in
    time, so that there may be more; with 3 when there is no Go or no C compiler here. Ctrl-C ends all that was started.

    Args:
        words: behind --, as behind the word go: 'test ./store -run Put', 'run ./cmd/orders --port 0'. Default: all
            tests of the module.
        run: the source tree, or a folder in it.
        for_: at most so long; a program that serves is ended then.
        shown: how to show it.
    """
    if not 1 <= for_ <= _LONGEST_S:
        raise UsageError(f"--for {for_:g}: give 1 to {_LONGEST_S} seconds")
    if not run.is_dir():
        raise UsageError(f"--run {run}: that is no folder")
    output, plan, run = Output.of(shown), plan_of(words), run.resolve()
    directory = Path(tempfile.mkdtemp(prefix="diagmesh-races-"))
    family = Family(directory, directory / "state")
    with _on_signals() as stop:
        try:
            await family.open()
            toolchain = await _unless(stop, find_toolchain(family, run))
            async with output.waiting(plan.words) as say:
                ended = await Runner(family, toolchain, run, plan).run(for_, stop, say)
        except CannotRun as missing:
            output.fail(Problem(code=503, error=missing.error, detail=missing.detail, hint=missing.hint))
            return Exit.NOBODY
        finally:
            async with output.waiting("ending what was started"):
                await family.close()
    output.show(ended, run_view(ended))
    return exit_of(ended)


@contextmanager
def _on_signals() -> Iterator[asyncio.Event]:
    """Set by the first signal; from then on signals are as always."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def once() -> None:
        stop.set()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, once)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """Wait for a piece of work, but no longer than until the signal."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise asyncio.CancelledError
        return task.result()
    finally:
        for one in (task, stopped):
            one.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


def exit_of(run: RaceRun) -> Exit:
    """How the command ends that found this."""
    if run.ended is RunEnded.INTERRUPTED:
        return Exit.INTERRUPTED
    tests = run.tests
    if run.ended is RunEnded.NOT_BUILT or run.failed or run.answer.cut:
        return Exit.UNSURE
    if tests is not None and (run.ended is RunEnded.TIMEOUT or tests.not_built or tests.failed or not tests.of):
        return Exit.UNSURE
    return Exit.FINDINGS if run.answer.reports else Exit.WELL
