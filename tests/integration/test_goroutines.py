"""The agent `goroutines` and its rules beside real Go programs: each fault named with its function, and clear after."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from diagmesh.adapters.godoor import door_of
from diagmesh.contract.answers.goroutines import (
    DumpForm,
    Goroutines,
    GoroutinesQuestion,
    HolderWhy,
    Level,
    WaitedKind,
)
from diagmesh.contract.codec import encode
from diagmesh.contract.findings import Finding
from diagmesh.diagnose import Diagnosis, Engine
from diagmesh.evidence import Evidence
from diagmesh.gopages import GoDoor
from diagmesh.packs import load_rules
from diagmesh.settings import GoSettings, RuleSettings
from diagmesh.testing import FakeTarget, answered
from diagmesh_agents.goroutines import goroutines
from diagmesh_cli.main import run
from support.godemo import GoDemo, GoService, build
from support.golang import Go
from support.natsserver import NatsServer

_CODES: Final = ("GO-001", "GO-002", "GO-003")
_SOON: Final = (
    RuleSettings(code="GO-001", services=("orders",), limits={"least_over_s": 2.0}),
    RuleSettings(code="GO-002", services=("orders",), limits={"few_s": 2.0}),
    RuleSettings(code="GO-003", services=("orders",), limits={"least_s": 1.0}),
)
_PATIENCE_S: Final = 40.0


class Beside:
    """The agent at one door, and the three rules.

    Args:
        door: to its pages.
    """

    def __init__(self, door: GoDoor) -> None:
        self._target = FakeTarget(go=door)
        self._engine = Engine(load_rules(), _SOON, _CODES)

    async def look(self, **words: Any) -> Goroutines:
        answer = await goroutines.look(GoroutinesQuestion(**words), self._target)
        assert isinstance(answer, Goroutines)
        return answer

    async def judged(self) -> Diagnosis:
        return self._engine.diagnose(Evidence([answered(await self.look())]))

    async def until(self, *codes: str) -> tuple[Finding, ...]:
        """The findings, as soon as they are exactly these."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = (await self.judged()).findings
            if tuple(one.code for one in found) == codes:
                return found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.5)


@pytest.fixture(scope="module")
def demo(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoDemo]:
    with (
        NatsServer(tmp_path_factory.mktemp("nats"), jetstream=True) as server,
        GoDemo(build(go), server.url, tmp_path_factory.mktemp("demo")) as demo,
    ):
        yield demo


@pytest.fixture(scope="module")
def payments(demo: GoDemo) -> GoService:
    """Payments under load."""
    services = [demo.service(name) for name in ("orders", "inventory", "payments")]
    demo.connected(*services)
    demo.load(30)
    return services[-1]


@pytest.fixture
def beside(payments: GoService) -> Beside:
    return Beside(door_of(payments.go, "orders/i1"))


async def turned(service: GoService, fault: str, **words: Any) -> None:
    await asyncio.to_thread(lambda: service.turn(fault, **words))


async def test_a_healthy_loaded_service_gives_no_finding(beside: Beside) -> None:
    for _ in range(16):
        assert (await beside.judged()).findings == ()
        await asyncio.sleep(0.4)
    answer = await beside.look()
    assert (answer.form, answer.cut) == (DumpForm.STACKS, "")
    assert sum(group.count for group in answer.groups) + answer.goroutines_left_out == answer.total
    assert len(encode(answer)) < 64 * 1024


async def test_a_leak_is_found_with_where_they_are_started(beside: Beside, payments: GoService) -> None:
    await turned(payments, "leak-goroutines", amount=20, mode="held", for_s=120)
    try:
        (finding,) = await beside.until("GO-001")
        assert "started at harm.LeakGoroutines.func1 (harm/running.go:27), growing" in finding.title
        assert "harm.awaitReply (harm/running.go:36)" in [fact.value for fact in finding.evidence]
        rate = next(float(str(fact.value)) for fact in finding.evidence if fact.what == "growth")
        assert 5 < rate < 40
    finally:
        await turned(payments, "leak-goroutines", on=False)
    await beside.until()


async def test_a_held_lock_is_found_with_who_holds_it(beside: Beside, payments: GoService) -> None:
    await turned(payments, "hold-lock", for_s=120)
    try:
        (finding,) = await beside.until("GO-002")
        assert "wait for one mutex in store.(*Store).Put (store/store.go:47)" in finding.title
        assert "seems to hold: store.(*Store).holdOnce (store/store.go:139)" in finding.title
    finally:
        await turned(payments, "hold-lock", on=False)
    await beside.until()


async def test_a_deadlock_is_found_with_both_functions(beside: Beside, payments: GoService) -> None:
    await turned(payments, "deadlock", for_s=120)
    try:
        (finding,) = await beside.until("GO-003")
        assert "2 goroutines wait in a circle" in finding.title
        assert "store.(*Store).bookThenCount (store/deadlock.go:30)" in finding.title
        assert "store.(*Store).countThenBook (store/deadlock.go:38)" in finding.title
    finally:
        await turned(payments, "deadlock", on=False)
    await beside.until()


async def test_every_form_says_the_same(
    beside: Beside, payments: GoService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks = await beside.look(form=DumpForm.STACKS, level=Level.LEAF, limit=500)
    counts = await beside.look(form=DumpForm.COUNTS, level=Level.LEAF, limit=500)
    assert abs(stacks.total - counts.total) <= 10

    def readers(answer: Goroutines) -> set[str]:
        places = [group.place for group in answer.groups if group.place is not None]
        return {place.function for place in places if "nats" in place.function}

    assert readers(stacks) & readers(counts)
    assert counts.blind[0].what == "states"
    # The protobuf of the same page, which is packed, from a file.
    (tmp_path / "goroutine.pb.gz").write_bytes(await asyncio.to_thread(payments.fetched, "goroutine"))
    assert run(["read", "goroutines", str(tmp_path / "goroutine.pb.gz"), "--level", "leaf", "--json"]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    answer = msgspec.convert(file["answer"], Goroutines)
    assert (abs(answer.total - counts.total) <= 10, answer.form) == (True, DumpForm.PROFILE)
    assert readers(answer) & readers(counts)


@contextmanager
def leaker(go: Go, folder: Path, environment: dict[str, str]) -> Iterator[Beside]:
    source = Path(__file__).parent / "go" / "leaker"
    program = folder / "leaker"
    subprocess.run(
        [go.path, "build", "-o", program, "."], cwd=source, env={**os.environ, **environment}, check=True, timeout=600
    )
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            at = running.stdout.readline().strip()
            yield Beside(door_of(GoSettings(pprof=f"http://{at}/debug/pprof"), "orders/i1"))
        finally:
            running.kill()


async def test_a_reader_lock_that_a_writer_keeps(go: Go, tmp_path: Path) -> None:
    with leaker(go, tmp_path, {}) as beside:
        await beside.look()
        answer = await beside.look()
        first = answer.waited[0]
        assert (first.kind, first.state, first.waiters, first.still) == (
            WaitedKind.RWMUTEX,
            "sync.RWMutex.RLock",
            25,
            25,
        )
        assert first.frame is not None
        assert first.frame.function == "main.(*ledger).Read"
        holder = first.holders[0]
        assert (holder.frame.function, holder.why) == ("main.(*ledger).Flush", HolderWhy.RECEIVER)
        finding = next(one for one in (await beside.judged()).findings if one.code == "GO-002")
        assert "25 goroutines wait for one rwmutex in main.(*ledger).Read" in finding.title
        assert answer.leaks is None
        assert not answer.leaks_offered


async def test_what_nothing_can_wake_is_known_where_go_has_the_leak_profile(go: Go, tmp_path: Path) -> None:
    if _minor(go) < 26:
        pytest.skip(f"{go.version} has no leak profile")
    with leaker(go, tmp_path, {"GOEXPERIMENT": "goroutineleakprofile"} if _minor(go) == 26 else {}) as beside:
        answer = await beside.look()
        assert answer.leaks_offered
        assert answer.leaks is not None
        (leak,) = answer.leaks
        assert leak.count == 30
        assert leak.place is not None
        assert (leak.place.function, leak.place.file.rpartition("/")[2]) == ("main.askForever.func1", "main.go")
        finding = next(one for one in (await beside.judged()).findings if one.code == "GO-001")
        assert "30 goroutines that nothing can wake any more" in finding.title


def _minor(go: Go) -> int:
    return int(go.version.split()[2].split(".")[1])
