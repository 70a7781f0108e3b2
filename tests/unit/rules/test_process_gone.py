import sys
from subprocess import Popen

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.health import Health, Verdict
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Problem
from support.children import Child, marked_sleeper
from support.ruling import UP, check, codes, found, judge, reply, verdict, watched

GONE = check("process", Verdict.FAIL, kind="process", target="port 8080", reason="nobody listens on TCP port 8080")
REFUSED = check("door", Verdict.FAIL, reason="refused")


def gone(**fields: object) -> Health:
    return replace(UP, **{"checks": (GONE, REFUSED), "pid": None, "process_state": None, "uptime_s": None, **fields})


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (gone(), "nobody listens on TCP port 8080"),
        (gone(pid=4711, process_state=ProcessState.ZOMBIE), "nobody listens on TCP port 8080"),
        (gone(restarts_seen=4), "nobody listens on TCP port 8080, after 4 restarts"),
    ],
)
def test_it_is_found_and_its_closed_doors_are_no_news(answer: Health, title: str) -> None:
    diagnosis = judge([answer])
    assert codes(diagnosis) == ["PROC-001"]
    finding = found(diagnosis, "PROC-001")
    assert (finding.severity, finding.title) == (Severity.CRITICAL, title)
    assert finding.advice.now
    assert verdict(diagnosis, "PROC-003").verdict is Judged.CLEAR


def test_a_process_that_is_there_is_clear() -> None:
    assert verdict(judge([UP]), "PROC-001").verdict is Judged.CLEAR
    assert verdict(judge([replace(UP, checks=())]), "PROC-001").verdict is Judged.CLEAR, "brief leaves out what passes"


@pytest.mark.parametrize(
    "answer",
    [
        replace(UP, pid=None, checks=(replace(GONE, verdict=Verdict.BLIND, required=False, reason="uid 7 owns it"),)),
        replace(UP, pid=None, checks=()),
    ],
)
def test_a_process_that_may_not_be_seen_is_blind(answer: Health) -> None:
    assert verdict(judge([answer]), "PROC-001").verdict is Judged.BLIND


def test_no_answer_is_blind_with_the_reason() -> None:
    diagnosis = judge([reply(Problem(code=503, error="unavailable", detail="no"), Health)])
    assert "503" in verdict(diagnosis, "PROC-001").not_judged[0].why


SLEEPER, MARK = marked_sleeper()


async def test_a_real_process_that_is_killed_and_started_again() -> None:
    async with watched(command=f"*{MARK}") as it:
        with Child(SLEEPER) as child:
            await it.until()
            child.process.kill()
            zombie = await it.until("PROC-001")
            assert str(child.pid) in found(zombie, "PROC-001").title
            child.kill()
            gone_for_good = await it.until("PROC-001")
            assert "last seen" in {fact.what for fact in found(gone_for_good, "PROC-001").evidence}
        with Child(SLEEPER):
            back = await it.until("PROC-004")
            assert verdict(back, "PROC-001").verdict is Judged.CLEAR


async def test_a_real_zombie() -> None:
    child = Popen([sys.executable, "-c", "pass"])  # noqa: ASYNC220  collected below
    try:
        async with watched(pid=child.pid) as it:
            await it.until("PROC-001")
    finally:
        child.wait()
