"""How launched services of the Go demo end: each end has one code and the right words, until it runs well again."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from diagmesh.client import Mesh
from diagmesh.contract.answers.health import ExitReason, Health
from diagmesh.contract.findings import Finding
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.settings import RuleSettings
from faults.fault import Act, on
from faults.mesh import Copy, DemoMesh
from faults.places import CannotHere, Place, memory
from faults.watching import Watch, watching
from support.godemo import build
from support.golang import Go

pytestmark = pytest.mark.timeout(300)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """One way to end, and what is said of it.

    Args:
        name: of the copy.
        make: ends it.
        reason: as the launcher tells it.
        title: how the title of the finding begins.
        says: what stands in its last words.
        detail: how that of the end begins.
        place: where it runs.
        within: words before its command.
    """

    name: str
    make: Act
    reason: ExitReason
    title: str
    says: str = ""
    detail: str = ""
    place: Place | None = None
    within: tuple[str, ...] = ()


def by_signal(number: signal.Signals) -> Act:
    return lambda copy, _: os.kill(copy.service.pid, number)


ENDINGS: Final = (
    Ending(
        name="panic",
        make=on("panic"),
        reason=ExitReason.PANIC,
        title=r"panicked after [0-9.]+ s: order without a total, in harm\.bookOrder \(harm/ending\.go:29\); ",
        says="panic: order without a total | ",
        detail="order without a total",
    ),
    Ending(
        name="nil",
        make=on("panic", mode="nil"),
        reason=ExitReason.PANIC,
        title=r"panicked after [0-9.]+ s: runtime error: invalid memory address or nil pointer dereference, "
        r"in harm\.bookOrder \(harm/ending\.go:27\); ",
        says="[signal SIGSEGV: segmentation violation",
        detail="runtime error: invalid memory address",
    ),
    Ending(
        name="fatal",
        make=on("fatal"),
        reason=ExitReason.FATAL_ERROR,
        title=r"was ended by a fatal error of its runtime after [0-9.]+ s: concurrent map .*, "
        r"in harm\.writePrices \(harm/ending\.go:4\d\); ",
        says="fatal error: concurrent map ",
        detail="concurrent map ",
    ),
    Ending(
        name="exit",
        make=on("exit", amount=42),
        reason=ExitReason.EXIT,
        title=r"exited with code 42 after [0-9.]+ s; ",
        says='"level"',
        detail="exit code 42",
    ),
    Ending(
        name="kill",
        make=by_signal(signal.SIGKILL),
        reason=ExitReason.SIGNAL,
        title=r"was killed by SIGKILL after [0-9.]+ s; ",
        says='"level"',
        detail="SIGKILL; not by us",
    ),
    Ending(
        name="abort",
        make=by_signal(signal.SIGABRT),
        reason=ExitReason.SIGNAL,
        title=r"was killed by SIGABRT( \(core dumped\))? after [0-9.]+ s; ",
        detail="SIGABRT",
        within=("env", "GOTRACEBACK=crash"),
    ),
    Ending(
        name="segv",
        make=by_signal(signal.SIGSEGV),
        reason=ExitReason.SIGNAL,
        title=r"was killed by SIGSEGV after [0-9.]+ s; ",
        says="SIGSEGV: segmentation violation",
        detail="SIGSEGV: segmentation violation; its Go runtime wrote that",
    ),
    Ending(
        name="oom",
        make=on("leak-memory", amount=1000),
        reason=ExitReason.OOM_KILL,
        title=r"was killed by the kernel for lack of memory after [0-9.]+ s; ",
        says='"level"',
        detail="the kernel killed it for want of memory: oom_kill of ",
        place=memory(64 << 20),
    ),
)


@pytest.fixture(scope="module")
def demo(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoMesh]:
    """A mesh in which a process has settled after some seconds."""
    limits = [RuleSettings(code=code, limits={"recent_s": 4.0}) for code in ("PROC-007", "PROC-008")]
    with DemoMesh(tmp_path_factory.mktemp("mesh"), build(go)) as mesh:
        mesh.start(limits, bare=True)
        yield mesh


@pytest.fixture
async def watch(demo: DemoMesh) -> AsyncIterator[Watch]:
    async with watching(demo.url) as watch:
        yield watch


@contextmanager
def placed(place: Place | None, folder: Path) -> Iterator[Sequence[str]]:
    """The words before a command that runs there; skips where there is no such place."""
    with ExitStack() as stack:
        try:
            words = stack.enter_context(place(folder)) if place is not None else ()
        except CannotHere as why:
            pytest.skip(str(why))
        yield words


async def started(demo: DemoMesh, watch: Watch, name: str, folder: Path, within: Sequence[str], *flags: str) -> Copy:
    """A copy of payments under a launcher, well and judged."""
    copy = await asyncio.to_thread(demo.copy, "payments", name, folder, within=within, launched=flags)
    codes = ("PROC-001", "PROC-007", "PROC-008")
    await watch.until(
        lambda seen: not seen.codes(copy.name) and all(seen.judged(code, copy.name) for code in codes), 1, 30, "well"
    )
    return copy


def finding(watch: Watch, name: str) -> Finding:
    """The last one of that instance, as it was judged last."""
    (one,) = [one for seen in watch.seen[-1:] for one in seen.check.findings if name in one.instances]
    return one


def facts(finding: Finding) -> dict[str, Any]:
    return {fact.what: fact.value for fact in finding.evidence}


async def first_finding(mesh: Mesh, question: CheckQuestion) -> Finding:
    """The one finding, as soon as there is one: it is there for some seconds only."""
    deadline = time.monotonic() + 40
    while not (findings := (await mesh.one(Check, "mesh", question, timeout_s=10)).answer.findings):
        assert time.monotonic() < deadline, question
        await asyncio.sleep(0.1)
    (one,) = findings
    return one


TOGETHER: Final = (("panic", "nil", "fatal", "exit"), ("kill", "abort", "segv"), ("oom",))
"""Each on a copy of its own; the last one has a place that not every machine has."""


@pytest.mark.parametrize("names", TOGETHER, ids="-".join)
async def test_an_end_has_one_code_and_its_words_until_the_service_runs_well_again(
    demo: DemoMesh, watch: Watch, tmp_path: Path, names: tuple[str, ...]
) -> None:
    endings = [ending for ending in ENDINGS if ending.name in names]
    assert len(endings) == len(names)
    with placed(endings[0].place, tmp_path) as within:
        await asyncio.gather(*(ended(demo, watch, tmp_path / one.name, one, within) for one in endings))


def test_every_end_is_made() -> None:
    assert sorted(name for names in TOGETHER for name in names) == sorted(ending.name for ending in ENDINGS)
    assert all(ending.place is None or (ending.name,) in TOGETHER for ending in ENDINGS)


async def ended(demo: DemoMesh, watch: Watch, folder: Path, ending: Ending, within: Sequence[str]) -> None:
    """Make it end, see its one code, and see it clear when it runs well again; then look at what was said."""
    folder.mkdir()
    copy = await started(demo, watch, ending.name, folder, (*within, *ending.within), "--restart", "on-failure")
    since, pid = time.monotonic(), copy.service.pid
    await asyncio.to_thread(ending.make, copy, folder)
    async with Mesh.connect(url=demo.url, name="crashes") as mesh:
        # Asked for by its name: findings of several instances are told as one, with none of their words.
        alone = CheckQuestion(codes=("PROC-007",), services=("payments",), instances=(copy.name,))
        _, crashed = await asyncio.gather(
            watch.until(lambda seen: seen.codes(copy.name) == {"PROC-007"}, 1, 40, f"PROC-007 of {ending.name}"),
            first_finding(mesh, alone),
        )
        await asyncio.to_thread(copy.again, pid)
        health = (await mesh.one(Health, "payments", instance=ending.name, timeout_s=10)).answer
    await watch.until(
        lambda seen: not seen.codes(copy.name) and seen.judged("PROC-007", copy.name), 2, 40, f"{ending.name} is clear"
    )
    assert set(watch.counted(since, copy.name)) == {"PROC-007"}
    await asyncio.to_thread(copy.leave)
    assert re.match(ending.title, crashed.title), crashed.title
    assert crashed.title.endswith(("; its launcher starts it again", " ago"))
    assert facts(crashed)["last exit"] == ending.reason.value
    assert ending.says in facts(crashed)["last words"]
    last = health.last_exit
    assert last is not None
    assert (last.reason, last.pid, last.asked) == (ending.reason, pid, False)
    assert last.detail.startswith(ending.detail), last.detail
    assert (health.restarts_seen, health.pid) == (1, copy.service.pid)


async def test_a_clean_end_is_gone_but_no_crash(demo: DemoMesh, watch: Watch, tmp_path: Path) -> None:
    copy = await started(demo, watch, "clean", tmp_path, (), "--restart", "on-failure")
    since = time.monotonic()
    await asyncio.to_thread(on("exit", amount=0), copy, tmp_path)
    await watch.until(lambda seen: seen.codes(copy.name) == {"PROC-001"}, 3, 30, "PROC-001")
    gone = finding(watch, copy.name)
    assert gone.title == "it ended with exit code 0"
    assert (facts(gone)["last exit"], facts(gone)["exit code"]) == ("clean", 0)
    assert set(watch.counted(since, copy.name)) == {"PROC-001"}
    await asyncio.to_thread(copy.leave)
    await watch.until(lambda seen: not seen.codes(copy.name), 2, 30, "clear once it has left")


async def test_a_fault_in_the_environment_is_a_loop_until_it_is_taken_away(
    demo: DemoMesh, watch: Watch, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    script = f'if [ -e {wrong} ]; then export DEMO_FAULTS=exit=7@60; fi; exec "$@"'
    copy = await started(demo, watch, "loop", tmp_path, ("/bin/sh", "-ec", script, "sh"), "--restart", "on-failure")
    since = time.monotonic()
    wrong.touch()
    os.kill(copy.service.pid, signal.SIGKILL)
    await watch.until(lambda seen: seen.codes(copy.name) == {"PROC-008"}, 3, 60, "PROC-008")
    loop = finding(watch, copy.name)
    wrong.unlink()
    await watch.until(
        lambda seen: not seen.codes(copy.name) and seen.judged("PROC-008", copy.name), 2, 60, "clear again"
    )
    assert re.match(r"restarted [0-9] times in the last hour, .*; the one before exited with code 7 after ", loop.title)
    assert facts(loop)["exit code"] == 7
    both = [seen.codes(copy.name) for seen in watch.seen if seen.at >= since]
    assert [codes for codes in both if codes not in (set(), {"PROC-007"}, {"PROC-008"})] == []
    await asyncio.to_thread(copy.leave)
