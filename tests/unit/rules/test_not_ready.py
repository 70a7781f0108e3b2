import re
import socket

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.health import Check, Verdict
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import ProbeSettings, RuleSettings
from support.children import Child
from support.doors import answers, http_answer, scripted
from support.ruling import UP, check, codes, found, judge, verdict, watched

THERE = UP.checks[0]
UNREADY = check("ready", Verdict.FAIL, reason="status 503 instead of 200 to 299", status_code=503, took_ms=1.5)
SIDE = replace(UNREADY, name="side", kind="nats", required=False)
REFUSED = check("door", Verdict.FAIL, reason="refused")


@pytest.mark.parametrize(
    ("checks", "severity", "title"),
    [
        (
            (THERE, UNREADY),
            Severity.ERROR,
            "says itself that it is not ready (required probe ready: code 503)",
        ),
        (
            (THERE, SIDE),
            Severity.WARNING,
            "says itself that it is not ready (optional probe side: code 503)",
        ),
        (
            (THERE, SIDE, UNREADY),
            Severity.ERROR,
            "says itself that it is not ready (required probe ready: code 503) (with it 1 more of 2 probes)",
        ),
    ],
)
def test_it_is_found_by_its_own_word(checks: tuple[Check, ...], severity: Severity, title: str) -> None:
    diagnosis = judge([replace(UP, checks=checks)])
    assert codes(diagnosis) == ["PROC-006"]
    finding = found(diagnosis, "PROC-006")
    assert (finding.severity, finding.title, finding.instances) == (severity, title, ("orders/i1",))
    assert finding.advice is not None
    assert re.match(r"Knock at (ready|side) of orders/i1 by hand, ", finding.advice.now[0])


def test_while_it_may_still_be_starting_it_is_a_warning() -> None:
    finding = found(judge([replace(UP, checks=(THERE, UNREADY), uptime_s=12.0)]), "PROC-006")
    assert finding.severity is Severity.WARNING
    assert finding.title.endswith(", 12 s after its start")
    setting = RuleSettings(code="PROC-006", limits={"starting_s": 5})
    assert found(judge([replace(UP, checks=(THERE, UNREADY), uptime_s=12.0)], setting), "PROC-006").severity is (
        Severity.ERROR
    )


@pytest.mark.parametrize("status_code", [None, 500, 404, 429, 502, 504])
def test_any_other_failure_is_a_failing_probe_only(status_code: int | None) -> None:
    other = replace(UNREADY, status_code=status_code)
    assert codes(judge([replace(UP, checks=(THERE, other))])) == ["PROC-003"]


def test_two_doors_with_two_troubles_are_told_each_by_its_code() -> None:
    diagnosis = judge([replace(UP, checks=(THERE, UNREADY, REFUSED))])
    assert codes(diagnosis) == ["PROC-003", "PROC-006"]
    assert [fact.what for fact in found(diagnosis, "PROC-003").evidence] == ["door (http) http://x/"]


@pytest.mark.parametrize("checks", [(THERE,), (THERE, check(took_ms=3.0, status_code=200)), (THERE, REFUSED)])
def test_one_that_does_not_say_so_is_clear(checks: tuple[Check, ...]) -> None:
    assert verdict(judge([replace(UP, checks=checks)]), "PROC-006").verdict is Judged.CLEAR


def test_a_door_that_wants_the_503_passes() -> None:
    wanted = check("maintenance", Verdict.PASS, took_ms=1.0, status_code=503)
    assert codes(judge([replace(UP, checks=(THERE, wanted))])) == []


def test_a_door_that_could_not_be_judged_is_blind() -> None:
    one = verdict(judge([replace(UP, checks=(THERE, check("door", Verdict.BLIND, reason="no verdict")))]), "PROC-006")
    assert (one.verdict, one.not_judged[0].why) == (Judged.BLIND, "door: no verdict")


def test_a_process_that_is_gone_is_told_by_its_own_code() -> None:
    gone = replace(THERE, verdict=Verdict.FAIL, reason="no process fits")
    assert codes(judge([replace(UP, pid=None, process_state=None, checks=(gone, UNREADY))])) == ["PROC-001"]


async def test_a_real_http_door_that_says_503_and_recovers() -> None:
    said = [http_answer("503 Service Unavailable", b"no database")]

    def script(plug: socket.socket) -> None:
        answers(said[0])(plug)

    with Child("import time; print('ready', flush=True); time.sleep(120)") as child, scripted(script) as door:
        probe = ProbeSettings(name="ready", http=f"http://{door.address}/ready")
        async with watched(pid=child.pid, probes=[probe]) as it:
            assert "probe ready: code 503" in found(await it.until("PROC-006"), "PROC-006").title
            said[0] = http_answer()
            await it.until()
