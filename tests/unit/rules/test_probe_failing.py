import socket

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.health import Check, Verdict
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import ProbeSettings, RuleSettings
from support.children import Child
from support.doors import answers, closed_port, http_answer, scripted
from support.ruling import UP, check, codes, found, judge, verdict, watched

THERE = UP.checks[0]
UNSEEN = replace(THERE, verdict=Verdict.BLIND, required=False, reason="no process is declared")
AT_ONCE = RuleSettings(code="PROC-003", limits={"opening_s": 0})
DOWN = check("door", Verdict.FAIL, reason="refused", took_ms=1.5)
SIDE = check("side", Verdict.FAIL, required=False, reason="500")


@pytest.mark.parametrize(
    ("checks", "severity", "title"),
    [
        ((THERE, DOWN), Severity.ERROR, "required probe door fails: refused"),
        ((THERE, SIDE), Severity.WARNING, "optional probe side fails: 500"),
        ((THERE, SIDE, DOWN), Severity.ERROR, "required probe door fails: refused (with it 1 more of 2 probes)"),
        ((UNSEEN, DOWN), Severity.ERROR, "required probe door fails: refused"),
        ((DOWN,), Severity.ERROR, "required probe door fails: refused"),
    ],
)
def test_it_is_found_with_the_reason(checks: tuple[Check, ...], severity: Severity, title: str) -> None:
    diagnosis = judge([replace(UP, checks=checks)])
    assert codes(diagnosis) == ["PROC-003"]
    finding = found(diagnosis, "PROC-003")
    assert (finding.severity, finding.title, finding.instances) == (severity, title, ("orders/i1",))


@pytest.mark.parametrize(
    ("kind", "target", "command"),
    [
        (
            "http",
            "http://127.0.0.1:8080/healthz?a=1&b=2",
            "curl -sv --max-time 5 'http://127.0.0.1:8080/healthz?a=1&b=2'",
        ),
        ("tcp", "[::1]:5432", "nc -vz -w 5 ::1 5432"),
        ("nats", "orders.ping", "nats req orders.ping '' --timeout 2s"),
        ("srv", "$SRV.PING.orders", "nats req '$SRV.PING.orders' '' --replies=0 --timeout 2s"),
    ],
)
def test_the_first_advice_is_to_knock_there_by_hand(kind: str, target: str, command: str) -> None:
    failing = replace(DOWN, kind=kind, target=target)
    finding = found(judge([replace(UP, checks=(THERE, failing))]), "PROC-003")
    assert finding.advice is not None
    assert finding.advice.now[0].startswith("Knock at door of orders/i1 by hand, ")
    assert f"`{command}`" in finding.advice.now[0]
    theirs = found(judge([replace(UP, checks=(THERE, replace(failing, kind="theirs")))]), "PROC-003")
    assert theirs.advice is not None
    assert theirs.advice.now == finding.advice.now[1:]


@pytest.mark.parametrize("checks", [(THERE,), (THERE, check(took_ms=3.0))])
def test_doors_that_answer_are_clear(checks: tuple[Check, ...]) -> None:
    assert verdict(judge([replace(UP, checks=checks)]), "PROC-003").verdict is Judged.CLEAR


def test_a_door_that_could_not_be_judged_is_blind() -> None:
    one = verdict(judge([replace(UP, checks=(THERE, check("door", Verdict.BLIND, reason="no verdict")))]), "PROC-003")
    assert (one.verdict, one.not_judged[0].why) == (Judged.BLIND, "door: no verdict")


def test_a_process_that_started_just_now_may_not_have_opened_its_doors() -> None:
    young = replace(UP, checks=(THERE, DOWN), uptime_s=0.2)
    one = verdict(judge([young]), "PROC-003")
    assert one.verdict is Judged.BLIND
    assert "its process started just now" in one.not_judged[0].why
    assert codes(judge([young], AT_ONCE)) == ["PROC-003"]
    assert verdict(judge([replace(young, checks=(THERE, check()))]), "PROC-003").verdict is Judged.CLEAR
    assert codes(judge([replace(young, uptime_s=None)])) == ["PROC-003"]


def test_what_is_not_the_door_of_a_process_is_no_probe() -> None:
    blocked = Check(name="blocked", kind="process", verdict=Verdict.FAIL, required=False, reason="hung in the kernel")
    assert codes(judge([replace(UP, checks=(THERE, blocked))])) == []


SLEEPER = "import time; print('ready', flush=True); time.sleep(120)"


async def test_a_real_http_door_that_says_500_and_recovers() -> None:
    said = [http_answer("500 Internal Server Error", b"no database")]

    def script(plug: socket.socket) -> None:
        answers(said[0])(plug)

    with Child(SLEEPER) as child, scripted(script) as door:
        probe = ProbeSettings(name="ready", http=f"http://{door.address}/ready")
        async with watched(AT_ONCE, pid=child.pid, probes=[probe]) as it:
            failing = await it.until("PROC-003")
            assert "500" in found(failing, "PROC-003").title
            said[0] = http_answer()
            await it.until()


async def test_a_real_door_that_is_closed() -> None:
    with Child(SLEEPER) as child:
        probe = ProbeSettings(name="door", tcp=f"127.0.0.1:{closed_port()}", required=False)
        async with watched(AT_ONCE, pid=child.pid, probes=[probe]) as it:
            assert found(await it.until("PROC-003"), "PROC-003").severity is Severity.WARNING
