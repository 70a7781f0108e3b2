"""One chaos soak from beginning to end: warm up, look at rest, load and faults, rest again, judge."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from soak.chaos.asker import Settings
from soak.chaos.cluster import Cluster, names
from soak.chaos.commands import Commands
from soak.chaos.growth import Growth, Sample, growing, left_over, look
from soak.chaos.judging import Judge, Judgement
from soak.chaos.monkey import SPARED, Monkey
from soak.chaos.records import Asked, Fault

__all__ = ["ASKERS", "Outcome", "judged", "soak"]

ASKERS: Final = ("soak-asker-a", "soak-asker-b")
_START_S: Final = 60.0
_WARM_UP_S: Final = 8.0
_REST_S: Final = 4.0
_SETTLES_SHARE: Final = 0.25
_SETTLES_MOST_S: Final = 600.0
_SAMPLES: Final = 1200
_TELL_EVERY_S: Final = 30.0
_SETTLED_AFTER_S: Final = 60.0
"""So long after a request all that may explain it has come to its end."""
_STOP_S: Final = 5.0


class Outcome(msgspec.Struct, kw_only=True):
    """Everything that came of a run.

    Args:
        seed: of all choices.
        began: monotonic seconds; all other times are of the same clock.
        faults_from: when the monkey began.
        faults_until: when all was undone.
        judged_from: from when on growth is judged.
        faults: the ledger.
        calm: the windows without a fault.
        asked: every request.
        judgements: of each, in the same order.
        samples: every look at every process.
        growth: the trends of those that lived through.
        others: complaints that have nothing to do with requests or trends.
        complaints: one line for everything that should not be.
    """

    seed: int
    began: float
    faults_from: float
    faults_until: float
    judged_from: float
    faults: list[Fault]
    calm: list[tuple[float, float]]
    asked: list[Asked]
    judgements: list[Judgement]
    samples: list[Sample]
    growth: list[Growth]
    others: list[str]
    complaints: list[str]


async def soak(folder: Path, seconds: float, seed: int, nats: Path | None, tell: Callable[[str], None]) -> Outcome:
    """One run.

    Args:
        folder: an empty one, for everything.
        seconds: of faults and load; the start and the looks at rest come on top.
        seed: of all choices.
        nats: the `nats` command, if there is one.
        tell: hears how it goes.
    """
    began = time.monotonic()
    with Cluster(folder) as cluster:
        run = _Run(cluster, seed, nats, tell)
        async with run.askers():
            await run.until_all_are_there()
            tell(
                f"{len(names())} instances, 2 coordinators and 3 servers are up after {time.monotonic() - began:.1f} s"
            )
            return await run.all_of_it(began, max(0.5, seconds / _SAMPLES), seconds)


class _Run:
    def __init__(self, cluster: Cluster, seed: int, nats: Path | None, tell: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._seed = seed
        self._tell = tell
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._samples: list[Sample] = []
        self._by_commands: list[Asked] = []
        self._commands = Commands(cluster, nats, seed, self._by_commands.append)
        self._monkey = Monkey(cluster, seed, lambda _: None)

    async def all_of_it(self, began: float, every_s: float, seconds: float) -> Outcome:
        sampling = asyncio.create_task(self._sample(every_s), name="sample")
        commanding = asyncio.create_task(self._commands.run(), name="commands")
        try:
            before = await self._warm_and_rest()
            faults_from = time.monotonic()
            self._load(going=True)
            progress = asyncio.create_task(self._progress(faults_from, seconds), name="progress")
            await self._monkey.run(seconds)
            faults_until = time.monotonic()
            progress.cancel()
            self._load(going=False)
            await asyncio.sleep(_REST_S)
            after = await self._rest()
        finally:
            for task in (sampling, commanding):
                task.cancel()
            ended = await asyncio.gather(sampling, commanding, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
        await self._end_askers()
        judged_from = faults_from + min(_SETTLES_MOST_S, _SETTLES_SHARE * seconds)
        growth = self._growth(judged_from, faults_until)
        return judged(
            Outcome(
                seed=self._seed,
                began=began,
                faults_from=faults_from,
                faults_until=faults_until,
                judged_from=judged_from,
                faults=self._monkey.faults,
                calm=self._monkey.calm,
                asked=self._asked(),
                judgements=[],
                samples=self._samples,
                growth=growth,
                others=[*self._monkey.complaints, *left_over(before, after)],
                complaints=[],
            )
        )

    # --- load

    @contextlib.asynccontextmanager
    async def askers(self) -> AsyncIterator[None]:
        """The processes that ask."""
        folder = self._cluster.folder
        try:
            for position, name in enumerate(ASKERS):
                settings = Settings(
                    urls=self._cluster.urls(position),
                    nkey_file=str(self._cluster.key_file("reader")),
                    instances=names(),
                    tasks_file=str(self._cluster.tasks_file(name)),
                )
                (folder / f"{name}.json").write_bytes(msgspec.json.encode(settings))
                words: list[str | Path] = [
                    "-m",
                    "soak.chaos.asker",
                    name,
                    folder / f"{name}.json",
                    f"{self._seed} {name}",
                ]
                with (folder / f"{name}.lines").open("wb") as out, (folder / f"{name}.log").open("wb") as log:
                    self._processes[name] = subprocess.Popen(  # noqa: ASYNC220  a moment, before anything is measured
                        [sys.executable, *words],
                        stdin=subprocess.PIPE,
                        stdout=out,
                        stderr=log,
                        cwd=Path(__file__).parents[2],
                    )
            yield
        finally:
            for process in self._processes.values():
                process.kill()
                process.wait()
                if process.stdin is not None:
                    with contextlib.suppress(BrokenPipeError):
                        process.stdin.close()

    async def _end_askers(self) -> None:
        """Their input ends, and so do they; whoever has to be killed did not listen, and is a complaint."""
        for name, process in self._processes.items():
            assert process.stdin is not None
            process.stdin.close()
            try:
                code = await asyncio.to_thread(process.wait, _STOP_S)
            except subprocess.TimeoutExpired:
                code = -1
            if code:
                self._monkey.complaints.append(f"{name} ended with {code}: {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        return (self._cluster.folder / f"{name}.log").read_text(errors="replace")[-500:]

    def _load(self, *, going: bool) -> None:
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.write(b"go\n" if going else b"pause\n")
            process.stdin.flush()
        if going:
            self._commands.going.set()
        else:
            self._commands.going.clear()

    def _asked(self) -> list[Asked]:
        lines = [line for name in ASKERS for line in (self._cluster.folder / f"{name}.lines").read_bytes().splitlines()]
        asked = [*(msgspec.json.decode(line, type=Asked) for line in lines), *self._by_commands]
        return sorted(asked, key=lambda one: one.at)

    # --- looking

    async def until_all_are_there(self) -> None:
        """Everybody is connected, and has been heard by the coordinators.

        Raises:
            TimeoutError: somebody is not, with his last words.
        """
        wanted = {*self._cluster.programs, *ASKERS}
        deadline = time.monotonic() + _START_S
        while missing := wanted - await self._cluster.back(wanted):
            if time.monotonic() > deadline:
                last = {name: self._cluster.programs[name].log_text()[-300:] for name in missing - set(ASKERS)}
                raise TimeoutError(f"not there within {_START_S:g} s: {last or missing}")
            await asyncio.sleep(0.2)
        await asyncio.sleep(3.0)

    async def _warm_and_rest(self) -> list[Sample]:
        """Load without faults first: what is made on first use is no growth."""
        self._load(going=True)
        await asyncio.sleep(_WARM_UP_S)
        self._load(going=False)
        await asyncio.sleep(_REST_S)
        return await self._rest()

    async def _rest(self) -> list[Sample]:
        began = time.monotonic()
        await asyncio.sleep(_REST_S)
        return [one for one in self._samples if one.at >= began]

    async def _sample(self, every_s: float) -> None:
        while True:
            began = time.monotonic()
            standing = await self._cluster.standing()
            pids = {name: program.pid for name, program in self._cluster.programs.items()}
            pids |= {name: process.pid for name, process in self._processes.items()}
            for name, pid in pids.items():
                self._samples.append(look(name, pid, self._cluster.tasks_file(name), standing))
            await asyncio.sleep(max(0.1, began + every_s - time.monotonic()))

    def _growth(self, since: float, until: float) -> list[Growth]:
        found = []
        for name in (*SPARED, *ASKERS):
            mine = [one for one in self._samples if one.name == name and one.at <= until]
            found += growing(mine, since)
        return found

    # --- telling

    async def _progress(self, began: float, seconds: float) -> None:
        """Each request is judged once, when its faults are over: who is held up by telling measures only himself."""
        told_to, bad = began, 0
        while True:
            await asyncio.sleep(min(_TELL_EVERY_S, seconds / 3))
            settled_at = time.monotonic() - _SETTLED_AFTER_S
            asked = await asyncio.to_thread(self._asked)
            judge = Judge(self._monkey.faults, names())
            for one in asked:
                if told_to <= one.at < settled_at:
                    judged = judge.judge(one)
                    if judged.bad:
                        bad += 1
                        self._tell(_complaint(one, judged, began))
                    await asyncio.sleep(0)
            told_to = max(told_to, settled_at)
            self._tell(
                f"{time.monotonic() - began:5.0f} s of {seconds:g} s: {len(self._monkey.faults)} faults,"
                f" {len(asked)} requests, {bad} not explained so far"
            )


def judged(outcome: Outcome) -> Outcome:
    """The same run, judged (again)."""
    judge = Judge(outcome.faults, names())
    outcome = msgspec.structs.replace(outcome, judgements=[judge.judge(one) for one in outcome.asked])
    return msgspec.structs.replace(outcome, complaints=[*outcome.others, *_complaints(outcome)])


def _complaints(outcome: Outcome) -> Iterator[str]:
    """One line for every request that is not explained, and for everything that grows."""
    for asked, judgement in zip(outcome.asked, outcome.judgements, strict=True):
        if judgement.bad:
            yield _complaint(asked, judgement, outcome.faults_from)
    for one in outcome.growth:
        if one.bad:
            yield f"{one.name}: {one.measure} grows, from {one.first:g} to {one.last:g}"
    if not any(one.at >= outcome.faults_from for one in outcome.asked):
        yield "nothing was asked"


def _complaint(asked: Asked, judgement: Judgement, faults_from: float) -> str:
    whom = f"{asked.service}/{asked.instance}".strip("/") or "everybody"
    at = asked.at - faults_from
    return f"{judgement.outcome} at {at:.2f} s: {asked.how} to {whom} by {asked.asker}: {judgement.why}"
