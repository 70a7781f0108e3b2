import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.probes import make_all
from diagmesh.contract.answers.health import Check, ExitReason, Health, HealthQuestion, LastExit, State, Verdict
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.codec import decode_question, encode
from diagmesh.contract.wire import Blind, Detail
from diagmesh.errors import Declined, NotRunning, Unreadable
from diagmesh.settings import ProbeSettings, TargetSettings
from diagmesh.target import ProbeResult, Sighting, Target
from diagmesh.testing import FakeProbe, FakeProcess, FakeTarget
from diagmesh_agents._verdict import judge
from diagmesh_agents.health import health
from support.doors import closed_port
from support.natsserver import MakeServer
from support.procs import freeze, thaw


async def ask(target: Target, **question: Any) -> Health:
    answer = await health.look(HealthQuestion(**question), target)
    assert isinstance(answer, Health)
    return answer


def process(*states: ProcessState | Exception, **options: Any) -> FakeProcess:
    return FakeProcess(*states, started_at=datetime.now(UTC) - timedelta(hours=1), **options)


S = ProcessState
UNTOLD = LastExit(reason=ExitReason.UNKNOWN, detail="its launcher has not told yet")
UP_STATES = [S.RUNNING, S.SLEEPING, S.IDLE, S.PARKED]


@pytest.mark.parametrize("state", UP_STATES)
async def test_a_process_alone_is_up_and_the_reason_says_so(state: ProcessState) -> None:
    answer = await ask(FakeTarget(process(state)))
    assert (answer.state, answer.process_state) == (State.UP, state)
    assert answer.reason == "the process is there; only the process was looked at"
    assert (answer.pid, answer.restarts_seen, answer.last_exit, answer.blind) == (4242, 0, None, ())
    assert answer.uptime_s == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    ("states", "state", "words"),
    [
        ([S.ZOMBIE], State.DOWN, "process 4242 has ended, and its parent has not taken notice (zombie) (the test)"),
        ([S.DEAD], State.DOWN, "is ending"),
        ([S.STOPPED], State.DOWN, "process 4242 is stopped by a signal and runs no code (SIGCONT lets it go on)"),
        ([S.TRACED], State.DOWN, "is held by a tracer"),
        ([S.TRACED, S.SLEEPING], State.UP, "only the process"),
        ([S.BLOCKED], State.DEGRADED, "in all of 3 looks the process hung in the kernel"),
        ([S.BLOCKED, S.BLOCKED, S.RUNNING], State.UP, "only the process"),
        ([S.BLOCKED, S.STOPPED], State.DOWN, "is stopped by a signal"),
        ([S.UNKNOWN], State.UNKNOWN, "nothing could be judged: process 4242 is there, in a state that is not known"),
    ],
)
async def test_what_the_kernel_says_decides(states: list[ProcessState], state: State, words: str) -> None:
    answer = await ask(FakeTarget(process(*states)))
    assert answer.state is state
    assert words in answer.reason


DOORS = [
    ([], State.UP, "only the process was looked at"),
    ([("a", True, True), ("b", True, False)], State.UP, "the process is there and 2 of 2 probes pass"),
    ([("a", True, True), ("b", False, True)], State.DOWN, "b: because"),
    ([("a", True, True), ("b", False, False)], State.DEGRADED, "b: because"),
    ([("a", False, False), ("b", False, True)], State.DOWN, "b: because"),
    ([("a", None, True)], State.UNKNOWN, "a required check could not be judged: a: because"),
    ([("a", None, False)], State.UP, "the process is there and 0 of 1 probes pass"),
    ([("a", None, True), ("b", False, False)], State.UNKNOWN, "a: because"),
    ([("a", None, True), ("b", False, True)], State.DOWN, "b: because"),
]


@pytest.mark.parametrize(("doors", "state", "words"), DOORS)
async def test_the_doors_decide(doors: list[tuple[str, bool | None, bool]], state: State, words: str) -> None:
    probes = [FakeProbe(name, ok, required=required, reason="" if ok else "because") for name, ok, required in doors]
    answer = await ask(FakeTarget(process(), probes))
    assert answer.state is state
    assert words in answer.reason
    blind = [name for name, ok, _ in doors if ok is None]
    assert [each.what for each in answer.blind] == [f"check {name}" for name in blind]
    assert {check.name for check in answer.checks} == {"process", *(name for name, _, _ in doors)}
    if state is State.DOWN:
        assert answer.checks[0].name == "b"


async def test_a_process_that_is_not_there_is_down_whatever_the_doors_say() -> None:
    sighting = Sighting(looked_for="port 8080", running=False, reason="nobody listens on TCP port 8080")
    answer = await ask(FakeTarget(sighting=sighting, probes=[FakeProbe()]))
    assert answer.state is State.DOWN
    assert answer.reason == "nobody listens on TCP port 8080 (port 8080)"
    assert (answer.pid, answer.process_state, answer.uptime_s, answer.last_exit) == (None, None, None, None)


async def test_an_end_that_was_seen_is_told_and_its_cause_not_guessed() -> None:
    gone_at = datetime.now(UTC)
    sighting = Sighting(looked_for="pid 1", running=False, reason="process 1 has ended", last_seen=gone_at)
    answer = await ask(FakeTarget(sighting=sighting))
    assert answer.last_exit is not None
    assert (answer.last_exit.reason, answer.last_exit.last_seen) == (ExitReason.UNKNOWN, gone_at)


@pytest.mark.parametrize("running", [True, False])
async def test_an_end_that_the_launcher_told_of_is_told_as_it_was(running: bool) -> None:
    end = LastExit(reason=ExitReason.OOM_KILL, signal="SIGKILL", at=datetime.now(UTC), uptime_s=1.5)
    sighting = Sighting(looked_for="the service that was launched", running=running, restarts_seen=1, last_exit=end)
    assert (await ask(FakeTarget(process(), sighting=sighting))).last_exit == end


async def test_a_process_that_ends_under_our_eyes_is_down() -> None:
    target = FakeTarget(process(NotRunning("gone")))
    ended = Sighting(looked_for="the test", running=False, reason="process 4242 has ended")
    there = target.sighting()
    sightings = iter([there, ended])
    target.sighting = lambda: next(sightings)  # type: ignore[method-assign]  # the race, made to happen
    answer = await ask(target)
    assert (answer.state, answer.reason) == (State.DOWN, "process 4242 has ended (the test)")


async def test_a_door_that_is_shut_because_the_process_ended_meanwhile_is_no_fault_of_the_door() -> None:
    target = FakeTarget(process(), [FakeProbe("door", ok=False, reason="refused")])
    there, ended = target.sighting(), Sighting(looked_for="the test", running=False, reason="process 4242 has ended")
    sightings = iter([there, ended])
    target.sighting = lambda: next(sightings)  # type: ignore[method-assign]  # the race, made to happen
    answer = await ask(target)
    assert (answer.state, answer.reason, answer.pid) == (State.DOWN, "process 4242 has ended (the test)", None)


async def test_an_end_of_which_the_launcher_is_about_to_tell_is_waited_for() -> None:
    end = LastExit(reason=ExitReason.PANIC, code=2, at=datetime.now(UTC))
    settling = Sighting(looked_for="the test", running=False, last_exit=UNTOLD, settling=True)
    told = Sighting(looked_for="the test", running=False, reason="it panicked", last_exit=end)
    sightings = iter([settling, settling, settling, told])
    target = FakeTarget()
    target.sighting = lambda: next(sightings)  # type: ignore[method-assign]  # as a launched neighbour does
    answer = await ask(target)
    assert (answer.reason, answer.last_exit) == ("it panicked (the test)", end)


async def test_the_wait_for_the_launcher_ends_with_the_time_of_the_question() -> None:
    target = FakeTarget(sighting=Sighting(looked_for="the test", running=False, last_exit=UNTOLD, settling=True))
    assert (await ask(target, timeout_ms=100)).last_exit == UNTOLD


@pytest.mark.parametrize(("age_s", "state"), [(5, State.DEGRADED), (3600, State.UP)])
async def test_a_fresh_restart_is_degraded_for_a_while(age_s: int, state: State) -> None:
    target = FakeTarget(process())
    target.now(restarts_seen=2, started_at=datetime.now(UTC) - timedelta(seconds=age_s))
    answer = await ask(target)
    assert (answer.state, answer.restarts_seen) == (state, 2)
    assert answer.last_exit is not None
    if state is State.DEGRADED:
        assert answer.reason.startswith("restarted ")
        assert "(2 since the sidecar started)" in answer.reason


async def test_a_fresh_start_is_no_restart() -> None:
    assert (await ask(FakeTarget(FakeProcess()))).state is State.UP


NO_PROCESS = Blind(what="process", why="the settings name no process", fix="set port")


@pytest.mark.parametrize(
    "target",
    [
        FakeTarget(
            sighting=Sighting(looked_for="port 1", running=False, hidden=True, reason="somebody (uid 7) listens")
        ),
        FakeTarget(sighting=Sighting(looked_for="nothing", running=False), blind=[NO_PROCESS]),
        FakeTarget(process(Unreadable("process state", "permission denied", "run it as that user"))),
    ],
    ids=["hidden", "undeclared", "unreadable"],
)
async def test_a_process_that_cannot_be_judged_is_neither_down_nor_up(target: FakeTarget) -> None:
    alone = await ask(target)
    assert alone.state is State.UNKNOWN
    assert alone.reason.startswith("nothing could be judged: ")
    assert [each.what for each in alone.blind] == ["check process"]
    target.probes = [FakeProbe()]
    assert (await ask(target)).state is State.UP
    target.probes = [FakeProbe(ok=False, reason="refused")]
    assert (await ask(target)).state is State.DOWN


async def test_probes_can_be_chosen_and_left_out() -> None:
    probes = [FakeProbe("a"), FakeProbe("b", False, reason="refused")]
    target = FakeTarget(process(), probes)
    assert (await ask(target, probes=False)).state is State.UP
    assert [probe.looks for probe in probes] == [0, 0]
    assert (await ask(target, probes=("a", "a"))).reason == "the process is there and 1 of 1 probes pass"
    assert [probe.looks for probe in probes] == [1, 0]
    with pytest.raises(Declined, match="no probe is named 'c'") as caught:
        await ask(target, probes=("a", "c"))
    assert caught.value.hint == "probes: a, b"


async def test_brief_tells_only_what_does_not_pass() -> None:
    probes = [FakeProbe("a"), FakeProbe("b", False, required=False, reason="refused")]
    answer = await ask(FakeTarget(process(), probes), detail=Detail.BRIEF)
    assert [check.name for check in answer.checks] == ["b"]


async def test_a_probe_that_outlasts_the_budget_is_blind_and_the_rest_is_told() -> None:
    slow, quick = FakeProbe("slow", takes_s=30), FakeProbe("quick")
    started = time.monotonic()
    answer = await ask(FakeTarget(process(), [slow, quick]), timeout_ms=300)
    assert time.monotonic() - started < 15
    assert answer.state is State.UNKNOWN
    verdicts = {check.name: check.verdict for check in answer.checks}
    assert verdicts == {"process": Verdict.PASS, "slow": Verdict.BLIND, "quick": Verdict.PASS}
    assert "timeout_ms" in answer.blind[0].fix


async def test_many_probes_knock_side_by_side_but_not_all_at_once() -> None:
    knocking: set[str] = set()
    seen: list[int] = []

    class Crowded:
        def __init__(self, name: str) -> None:
            self.name = name

        async def look(self) -> ProbeResult:
            knocking.add(self.name)
            seen.append(len(knocking))
            await asyncio.sleep(0.01)
            knocking.remove(self.name)
            return ProbeResult(name=self.name, kind="tcp", target=self.name, ok=True)

    answer = await ask(FakeTarget(process(), [Crowded(f"p{number}") for number in range(40)]))
    assert answer.reason == "the process is there and 40 of 40 probes pass"
    assert max(seen) == 16


async def test_a_probe_that_raises_is_blind() -> None:
    class Broken:
        name = "broken"

        async def look(self) -> ProbeResult:
            raise ZeroDivisionError

    answer = await ask(FakeTarget(process(), [Broken()]))
    assert answer.state is State.UNKNOWN
    assert answer.blind[0].why == "the probe failed with ZeroDivisionError"


async def test_a_cancelled_question_leaves_no_task_behind() -> None:
    task = asyncio.create_task(ask(FakeTarget(process(), [FakeProbe(takes_s=30)])))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_question_is_strict_and_the_answer_survives_the_wire() -> None:
    assert decode_question(b"", HealthQuestion).probes is True
    assert decode_question(b'{"probes": ["a"]}', HealthQuestion).probes == ("a",)
    with pytest.raises(Declined, match="probes"):
        decode_question(b'{"probes": 5}', HealthQuestion)
    answer = asyncio.run(ask(FakeTarget(process(), [FakeProbe("a", False, reason="refused")])))
    sent = encode(answer)
    assert b'"restarts_seen":0' in sent  # zero was counted, so it is told
    assert msgspec.json.decode(sent, type=Health) == answer


checks = st.lists(
    st.builds(
        Check,
        name=st.sampled_from(["process", "a", "b"]),
        kind=st.sampled_from(["process", "http"]),
        verdict=st.sampled_from(Verdict),
        required=st.booleans(),
        reason=st.sampled_from(["", "because"]),
    ),
    max_size=8,
)


@given(checks, st.integers(0, 8))
def test_judging_is_never_kinder_than_its_checks(given_checks: list[Check], asked: int) -> None:
    state, reason = judge(given_checks, asked)
    seen = {(check.verdict, check.required) for check in given_checks}
    assert (state is State.DOWN) == ((Verdict.FAIL, True) in seen)
    if state is State.UP:
        assert seen <= {(Verdict.PASS, True), (Verdict.PASS, False), (Verdict.BLIND, False)}
        assert {(Verdict.PASS, True), (Verdict.PASS, False)} & seen
    if all(check.verdict is Verdict.BLIND for check in given_checks):
        assert state is State.UNKNOWN
    assert reason


# Real processes from here on.


class Sleeper:
    """A Python process that does nothing, known to the neighbour by its command line, and can be started again."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self._command = [sys.executable, "-c", f"import time; time.sleep(120)  # {mark}"]
        self.child = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.child = subprocess.Popen(self._command)
        return self.child

    def kill(self, *, collect: bool = True) -> None:
        self.child.kill()
        if collect:
            self.child.wait(10)

    def close(self) -> None:
        self.child.kill()
        self.child.wait(10)


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    it = Sleeper(f"python-neighbour-{uuid4().hex}")
    yield it
    it.close()


async def until(target: Target, state: State) -> Health:
    """The first answer with that state; the neighbour searches at most twice a second."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = await ask(target)
        if answer.state is state:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"never {state}, last: {answer}")


async def test_a_real_python_process_stopped_killed_and_restarted(sleeper: Sleeper) -> None:
    target = Neighbour(TargetSettings(service="orders", command=f"*{sleeper.mark}"))
    answer = await until(target, State.UP)
    assert answer.pid == sleeper.child.pid
    assert answer.process_state in (S.SLEEPING, S.RUNNING)
    freeze(sleeper.child.pid)
    stopped = await ask(target)
    assert (stopped.state, stopped.process_state) == (State.DOWN, S.STOPPED)
    thaw(sleeper.child.pid)
    await until(target, State.UP)
    sleeper.kill(collect=False)
    zombie = await until(target, State.DOWN)
    assert zombie.last_exit is not None
    sleeper.child.wait(10)
    gone = await ask(target)
    assert gone.state is State.DOWN
    assert gone.last_exit is not None
    assert gone.last_exit.reason is ExitReason.UNKNOWN
    sleeper.start()
    back = await until(target, State.DEGRADED)
    assert (back.restarts_seen, back.pid) == (1, sleeper.child.pid)
    assert back.reason.startswith("restarted ")


async def test_a_real_go_process_with_its_http_door(make_server: MakeServer) -> None:
    server = make_server(monitoring=True).start()
    doors = [
        ProbeSettings(name="healthz", http=f"{server.monitor_url}/healthz", expect_body='"status":"ok"'),
        ProbeSettings(name="port", tcp=f"127.0.0.1:{server.port}", required=False),
    ]
    target = Neighbour(TargetSettings(service="nats", port=server.port), make_all(doors))
    answer = await until(target, State.UP)
    assert answer.reason == "the process is there and 2 of 2 probes pass"
    assert answer.pid == server.pid
    freeze(server.pid)
    try:
        await asyncio.sleep(0.3)  # older than what is told again
        frozen = await ask(target)
    finally:
        thaw(server.pid)
    assert (frozen.state, frozen.process_state) == (State.DOWN, S.STOPPED)
    verdicts = {check.name: (check.verdict, check.reason) for check in frozen.checks}
    assert verdicts["healthz"] == (Verdict.FAIL, "it took the connection but answered nothing within 1 s")
    assert verdicts["port"][0] is Verdict.PASS  # the kernel takes connections for it
    os.kill(server.pid, signal.SIGKILL)
    killed = await until(target, State.DOWN)
    await asyncio.sleep(0.3)
    killed = await ask(target)
    assert "refused" in {check.name: check.reason for check in killed.checks}["healthz"]


async def test_a_real_process_whose_door_is_closed_is_down(sleeper: Sleeper) -> None:
    doors = make_all([ProbeSettings(name="door", tcp=f"127.0.0.1:{closed_port()}")])
    target = Neighbour(TargetSettings(service="orders", pid=sleeper.child.pid), doors)
    answer = await ask(target)
    assert (answer.state, answer.process_state is not None) == (State.DOWN, True)
    assert answer.reason.startswith("door: refused")


async def test_a_process_whose_pid_file_is_missing_is_down(tmp_path: Path) -> None:
    target = Neighbour(TargetSettings(service="orders", pid_file=str(tmp_path / "orders.pid")))
    assert (await ask(target)).state is State.DOWN


async def test_a_target_without_a_way_to_its_process_is_judged_by_its_doors(make_server: MakeServer) -> None:
    server = make_server().start()
    alone = await ask(Neighbour(TargetSettings(service="nats")))
    assert alone.state is State.UNKNOWN
    assert "pid_file" in alone.blind[0].fix
    doors = make_all([ProbeSettings(tcp=f"127.0.0.1:{server.port}")])
    answer = await ask(Neighbour(TargetSettings(service="nats"), doors))
    assert (answer.state, answer.reason) == (State.UP, "the process was not looked at, 1 of 1 probes pass")


PANIC_WORDS = (
    "panic: no such order [recovered]\n\tpanic: cannot tell anybody\n\ngoroutine 7 [running]:\n"
    "shop/orders.(*Service).tell(...)\n\t/src/shop/orders/tell.go:12\npanic({0x1, 0x2})\n"
    "\t/usr/local/go/src/runtime/panic.go:859 +0x125\nshop/orders.(*Service).find(0xc000010000)\n"
    "\t/src/shop/orders/find.go:31 +0x1d\ncreated by main.main in goroutine 1\n\t/src/main.go:9 +0x1\n"
)


async def test_a_crash_is_taken_apart_down_to_the_line() -> None:
    end = LastExit(reason=ExitReason.PANIC, code=2, at=datetime.now(UTC), last_words=PANIC_WORDS)
    sighting = Sighting(looked_for="the test", running=False, reason="it panicked", last_exit=end)
    told = (await ask(FakeTarget(sighting=sighting))).last_exit
    assert told is not None
    assert told.crash is not None
    assert (told.crash.kind, told.crash.message, told.crash.goroutine) == ("panic", "cannot tell anybody", 7)
    assert told.crash.causes[0].message == "no such order"
    assert told.crash.at == Frame(function="shop/orders.(*Service).find", file="/src/shop/orders/find.go", line=31)


@pytest.mark.parametrize(
    "end",
    [
        LastExit(reason=ExitReason.EXIT, code=1, last_words=PANIC_WORDS),
        LastExit(reason=ExitReason.SIGNAL, signal="SIGKILL", last_words="a line of a log\n"),
        LastExit(reason=ExitReason.OOM_KILL, signal="SIGKILL"),
    ],
)
async def test_what_go_did_not_write_is_no_crash(end: LastExit) -> None:
    told = (await ask(FakeTarget(sighting=Sighting(looked_for="the test", running=False, last_exit=end)))).last_exit
    assert told == end
