from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from diagmesh.contract.answers.crash import Crash, CrashKind
from diagmesh.contract.answers.health import ExitReason, Health, LastExit, Verdict
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.replies import NOW
from support.ruling import UP, check, codes, found, judge, verdict

ENDED = check("process", Verdict.FAIL, kind="process", target="the service that was launched", reason="it has ended")
TRACE = "panic: no such order\n\ngoroutine 7 [running]:\nmain.create()\n\t/src/main.go:12\nmain.serve()\n"
PANIC = LastExit(reason=ExitReason.PANIC, detail="no such order", code=2, uptime_s=8.314, at=NOW, last_words=TRACE)
FATAL = LastExit(reason=ExitReason.FATAL_ERROR, detail="concurrent map writes", code=2, uptime_s=8.0)
OOM = LastExit(reason=ExitReason.OOM_KILL, signal="SIGKILL", uptime_s=120.0)
KILLED = LastExit(reason=ExitReason.SIGNAL, signal="SIGKILL", uptime_s=30.0)
FAULT = LastExit(reason=ExitReason.SIGNAL, signal="SIGSEGV", core_dumped=True)
PLAIN = LastExit(reason=ExitReason.EXIT, code=3, last_words="one\ntwo\nthree\nfour\ncannot open the store\n")
BAD = (PANIC, FATAL, OOM, KILLED, FAULT, PLAIN)
GOOD = (
    LastExit(reason=ExitReason.CLEAN, code=0),
    LastExit(reason=ExitReason.UNKNOWN),
    LastExit(reason=ExitReason.SIGNAL, signal="SIGTERM", asked=True),
    LastExit(reason=ExitReason.EXIT, code=143, asked=True),
)


def gone(last: LastExit, **fields: Any) -> Health:
    return replace(UP, checks=(ENDED,), pid=None, process_state=None, uptime_s=None, last_exit=last, **fields)


def back(last: LastExit, uptime_s: float | None = 12.0, **fields: Any) -> Health:
    return replace(UP, last_exit=last, uptime_s=uptime_s, **{"restarts_seen": 1, **fields})


@pytest.mark.parametrize(
    ("last", "title"),
    [
        (PANIC, "panicked after 8.31 s: no such order"),
        (FATAL, "was ended by a fatal error of its runtime after 8 s: concurrent map writes"),
        (OOM, "was killed by the kernel for lack of memory after 2 min"),
        (KILLED, "was killed by SIGKILL after 30 s"),
        (FAULT, "was killed by SIGSEGV (core dumped)"),
        (PLAIN, "exited with code 3"),
    ],
)
def test_each_way_of_ending_is_told_apart(last: LastExit, title: str) -> None:
    for answer, severity, more in (
        (gone(last), Severity.CRITICAL, "it is not started again"),
        (gone(replace(last, restart_at=NOW)), Severity.ERROR, "its launcher starts it again"),
        (back(last), Severity.ERROR, "it was started again 12 s ago"),
    ):
        diagnosis = judge([answer])
        assert codes(diagnosis) == ["PROC-007"], "one end has one code"
        finding = found(diagnosis, "PROC-007")
        assert (finding.title, finding.severity) == (f"{title}; {more}", severity)
        assert {fact.what: fact.value for fact in finding.evidence}["last exit"] == last.reason.value


@pytest.mark.parametrize("last", GOOD)
def test_a_good_or_unknown_end_is_told_by_others(last: LastExit) -> None:
    assert codes(judge([gone(last)])) == ["PROC-001"]
    assert codes(judge([back(last)])) == ["PROC-004"]


@pytest.mark.parametrize("reason", [ExitReason.PANIC, ExitReason.FATAL_ERROR, ExitReason.OOM_KILL])
def test_a_panic_while_it_was_asked_to_end_is_still_a_crash(reason: ExitReason) -> None:
    assert codes(judge([gone(LastExit(reason=reason, asked=True))])) == ["PROC-007"]


def test_a_fault_while_it_was_asked_to_end_is_still_a_crash() -> None:
    assert codes(judge([gone(replace(FAULT, asked=True))])) == ["PROC-007"]


def test_of_the_last_words_those_that_matter_are_told() -> None:
    def words(last: LastExit) -> Any:
        return {fact.what: fact.value for fact in found(judge([gone(last)]), "PROC-007").evidence}["last words"]

    assert words(PANIC) == "panic: no such order | goroutine 7 [running]: | main.create() | /src/main.go:12"
    assert words(PLAIN) == "two | three | four | cannot open the store"
    dump = "SIGSEGV: segmentation violation\nPC=0x1\n\ngoroutine 0 [idle]:\nrax 0x0\nrip 0x0\ngs 0x0\nfs 0x0\n"
    killed = replace(PLAIN, reason=ExitReason.SIGNAL, signal="SIGSEGV", last_words=dump)
    assert words(killed) == "SIGSEGV: segmentation violation | PC=0x1 | goroutine 0 [idle]: | rax 0x0"
    long = words(replace(PLAIN, last_words=f"{'x' * 5000} the end"))
    assert len(long) <= 200
    assert (long[:2], long[-7:]) == ("… ", "the end")


def test_the_line_is_told_where_it_is_known() -> None:
    line = Frame(function="shop/orders.(*Service).create", file="/src/shop/orders/create.go", line=12)
    crash = Crash(
        kind=CrashKind.NIL_DEREF, first_line="panic: x", message="no such order", first_own=line, goroutine=7,
        created_by=Frame(function="main.main", file="/src/main.go", line=3),
    )  # fmt: skip
    finding = found(judge([gone(replace(PANIC, crash=crash))]), "PROC-007")
    assert ": no such order, in orders.(*Service).create (orders/create.go:12); " in finding.title
    facts = {fact.what: fact.value for fact in finding.evidence}
    assert (facts["crash"], facts["in"]) == ("nil-deref", "orders.(*Service).create (orders/create.go:12)")
    assert facts["goroutine 7 was started in"] == "main.main (src/main.go:3)"


@pytest.mark.parametrize("uptime_s", [600.0, 7200.0])
def test_one_that_has_settled_is_clear(uptime_s: float) -> None:
    diagnosis = judge([back(PANIC, uptime_s)])
    assert (codes(diagnosis), verdict(diagnosis, "PROC-007").verdict) == ([], Judged.CLEAR)


def test_how_long_it_counts_is_that_of_the_settings() -> None:
    assert codes(judge([back(PANIC)], RuleSettings(code="PROC-007", limits={"recent_s": 5.0}))) == []


def test_without_an_uptime_or_a_process_to_see_it_is_blind() -> None:
    unseen = replace(ENDED, verdict=Verdict.BLIND, required=False, reason="uid 7 owns it")
    for answer in (back(PANIC, None), replace(back(PANIC), checks=(unseen,))):
        assert verdict(judge([answer]), "PROC-007").verdict is Judged.BLIND


def test_one_that_was_stopped_after_it_was_started_again_is_told_as_stopped() -> None:
    held = replace(ENDED, reason="process 4711 is stopped")
    assert codes(judge([replace(back(PANIC), checks=(held,), process_state=ProcessState.STOPPED)])) == ["PROC-002"]


@given(
    last=st.sampled_from((*BAD, *GOOD, None)),
    waits=st.booleans(),
    there=st.booleans(),
    seen=st.integers(1, 9),
    uptime_s=st.floats(0, 599),
)
def test_one_event_has_exactly_one_code(
    last: LastExit | None, waits: bool, there: bool, seen: int, uptime_s: float
) -> None:
    if last is not None and waits:
        last = replace(last, restart_at=NOW)
    answer = replace(back(PANIC, uptime_s) if there else gone(PANIC), last_exit=last, restarts_seen=seen)
    assert len(codes(judge([answer]))) == 1
