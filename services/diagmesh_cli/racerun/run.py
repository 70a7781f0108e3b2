"""One run under the race detector: started, followed, bounded in time, ended with everything that it started."""

import asyncio
import os
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from diagmesh.adapters.gorace import Collected, RaceReader
from diagmesh.contract.answers.races import Detector, Races, RaceSource
from diagmesh_cli.local.children import Family, how_it_ended
from diagmesh_cli.racerun.output import Tail, collected, follow
from diagmesh_cli.racerun.plan import RunPlan
from diagmesh_cli.racerun.tally import Tally
from diagmesh_cli.racerun.toolchain import Toolchain

__all__ = ["RaceRun", "RunEnded", "Runner", "TestedPackages"]

_MOST_RACES: Final = 10_000
_MOST_FRAMES: Final = 256
_PACE_S: Final = 0.2
_RACE_EXIT: Final = 66
_PROGRAM: Final = "program"


class RunEnded(StrEnum):
    """Why a run ended; *timeout* is the regular end of a program that serves."""

    COMPLETE = "complete"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    NOT_BUILT = "not built"


class TestedPackages(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the packages fared.

    Args:
        of: how many there are; missing when that is not known.
        passed: how many.
        without_tests: how many.
        not_built: which.
        unfinished: which had begun when the run ended.
        raced: tests that failed because of a race (``package.Test``).
        failed: tests, or packages as a whole, that failed for another reason.
    """

    of: int | None = None
    passed: int = 0
    without_tests: int = 0
    not_built: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    raced: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class RaceRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a run.

    Args:
        command: as it could be typed.
        directory: in which.
        go: version.
        ended: why.
        took_s: how long.
        answer: the races.
        tests: how the packages fared; missing for a program.
        program: how the program ended; empty for tests.
        failed: whether it ended by itself with an error that neither a race nor a failed test explains.
        said: what the compiler said, or the last words of what failed.
    """

    command: str
    directory: str
    go: str
    ended: RunEnded
    took_s: float
    answer: Races
    tests: TestedPackages | None = None
    program: str = ""
    failed: bool = False
    said: str = ""


class Runner:
    """One run.

    Args:
        family: whose children do it; whoever is left of them ends when it is closed.
        toolchain: with which.
        directory: in the source tree.
        plan: what is run.
    """

    def __init__(self, family: Family, toolchain: Toolchain, directory: Path, plan: RunPlan) -> None:
        self._family, self._toolchain, self._directory, self._plan = family, toolchain, directory, plan
        # Two readers: what the two streams write at the same time must not get into each other's lines.
        self._readers = RaceReader(), RaceReader()
        self._races = Collected(_MOST_RACES, _MOST_FRAMES)
        self._tally, self._tail, self._read_bytes = Tally(), Tail(), 0
        self._of: int | None = None
        self._began = time.monotonic()

    async def run(self, for_s: float, stop: asyncio.Event, tell: Callable[[str], None]) -> RaceRun:
        """Run it, until it ends, the time is over or somebody stops it.

        Args:
            for_s: at most so long; building counts.
            stop: set when it should end.
            tell: is told how far it has come.
        """
        work = asyncio.create_task(self._tests() if self._plan.tests else self._program())
        stopped = asyncio.create_task(stop.wait())
        until = self._began + for_s
        try:
            while not work.done() and not stop.is_set() and time.monotonic() < until:
                tell(self._progress())
                await asyncio.wait({work, stopped}, timeout=_PACE_S, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return self._outcome(*work.result())
            return self._outcome(RunEnded.INTERRUPTED if stop.is_set() else RunEnded.TIMEOUT, None)
        finally:
            for task in (work, stopped):
                task.cancel()
            await asyncio.gather(work, stopped, return_exceptions=True)

    async def _tests(self) -> tuple[RunEnded, int | None]:
        go = self._toolchain.go
        if self._plan.packages:
            listing = await self._start([go, "list", *self._plan.packages])
            names, _ = await collected(listing)
            self._of = len(names.splitlines()) if listing.returncode == 0 else None
        process = await self._start([go, "test", "-race", "-json", *self._plan.build])
        await self._followed(process, self._tally.feed)
        return RunEnded.COMPLETE, await process.wait()

    async def _program(self) -> tuple[RunEnded, int | None]:
        built = self._family.directory / _PROGRAM
        compiler = await self._start([self._toolchain.go, "build", "-race", "-o", str(built), *self._plan.build])
        _, words = await collected(compiler)
        if compiler.returncode or not os.access(built, os.X_OK):
            self._tail.feed(words or b"what is built is no program: it has no package main\n")
            return RunEnded.NOT_BUILT, compiler.returncode
        process = await self._start([str(built), *self._plan.arguments])
        await self._followed(process)
        return RunEnded.COMPLETE, await process.wait()

    async def _start(self, command: list[str]) -> asyncio.subprocess.Process:
        return await self._family.piped(command, self._directory, self._toolchain.environment)

    async def _followed(self, process: asyncio.subprocess.Process, *takers: Callable[[bytes], object]) -> None:
        out, err = self._readers
        await asyncio.gather(
            follow(process.stdout, lambda data: self._take(out, data), *takers),
            follow(process.stderr, lambda data: self._take(err, data), self._tail.feed),
        )

    def _take(self, reader: RaceReader, data: bytes) -> None:
        self._read_bytes += len(data)
        for report in reader.feed(data):
            self._races.add(report)

    def _progress(self) -> str:
        found = f"{len(self._races.races)} races"
        if not self._plan.tests:
            return found
        of = f" of {self._of}" if self._of is not None else ""
        return f"{self._tally.done}{of} packages done, {found}"

    def _outcome(self, ended: RunEnded, code: int | None) -> RaceRun:
        tests = self._tested() if self._plan.tests else None
        explained = code in {0, None, _RACE_EXIT} if tests is None else bool(tests.raced or tests.failed)
        failed = bool(code) and not explained and not (tests and tests.not_built) and ended is RunEnded.COMPLETE
        unclear = ended is RunEnded.NOT_BUILT or failed or (tests is not None and tests.not_built)
        return RaceRun(
            command=self._plan.words,
            directory=str(self._directory),
            go=self._toolchain.version,
            ended=ended,
            took_s=round(time.monotonic() - self._began, 3),
            answer=self._answer(),
            tests=tests,
            program=how_it_ended(code) if code is not None and tests is None and ended is RunEnded.COMPLETE else "",
            failed=failed,
            said="\n".join(self._tally.build_words) or self._tail.text if unclear else "",
        )

    def _answer(self) -> Races:
        for reader in self._readers:
            for report in reader.end():
                self._races.add(report)
        return Races(
            distinct=len(self._races.races),
            reports=self._races.reports,
            detector=Detector.ON,
            races=tuple(sorted(self._races.races, key=lambda race: -race.count)),
            cut=sum(one.cut for one in self._readers),
            announced=sum(one.announced for one in self._readers),
            sources=(RaceSource(kind="go", where=self._plan.words.removeprefix("go "), read_bytes=self._read_bytes),),
        )

    def _tested(self) -> TestedPackages:
        packages = self._tally.packages
        whole = [name for name, one in packages.items() if one.state == "fail" and not (one.failed or one.by_race)]
        return TestedPackages(
            of=self._of if self._of is not None else len(packages),
            passed=len(self._tally.named("pass")),
            without_tests=len(self._tally.named("skip")),
            not_built=self._tally.named("not built"),
            unfinished=tuple(name for name, one in packages.items() if not one.state),
            raced=tuple(f"{name}.{test}".rstrip(".") for name, one in packages.items() for test in sorted(one.by_race)),
            failed=(*whole, *(f"{name}.{test}" for name, one in packages.items() for test in sorted(one.failed))),
        )
