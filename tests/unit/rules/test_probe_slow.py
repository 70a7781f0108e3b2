import socket
import time

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
SLOW = check("door", took_ms=812.4, phases_ms={"connect": 1.0, "first_byte": 810.0})


def test_it_is_found_with_its_phases_the_slowest_first() -> None:
    diagnosis = judge([replace(UP, checks=(THERE, check("quick", took_ms=5.0), check("b", took_ms=501.0), SLOW))])
    assert codes(diagnosis) == ["PROC-005"]
    finding = found(diagnosis, "PROC-005")
    assert finding.severity is Severity.WARNING
    assert finding.title == "probe door passes, but took 812 ms (limit 500 ms)"
    assert [fact.what for fact in finding.evidence][1:3] == ["door: connect", "door: first_byte"]


@pytest.mark.parametrize("checks", [(THERE,), (THERE, check(took_ms=500.0))])
def test_quick_doors_are_clear(checks: tuple[Check, ...]) -> None:
    assert verdict(judge([replace(UP, checks=checks)]), "PROC-005").verdict is Judged.CLEAR


@pytest.mark.parametrize("checks", [(), (THERE, check())], ids=["brief", "untimed"])
def test_a_time_that_is_not_told_is_blind(checks: tuple[Check, ...]) -> None:
    assert verdict(judge([replace(UP, checks=checks)]), "PROC-005").verdict is Judged.BLIND


def test_one_that_fails_late_is_a_failing_probe_only() -> None:
    assert codes(judge([replace(UP, checks=(THERE, replace(SLOW, verdict=Verdict.FAIL, reason="late")))])) == [
        "PROC-003"
    ]


def test_the_limit_can_be_set() -> None:
    setting = RuleSettings(code="PROC-005", services=("orders",), limits={"slow_ms": 900})
    assert codes(judge([replace(UP, checks=(THERE, SLOW))], setting)) == []


async def test_a_real_http_door_that_becomes_slow_and_quick_again() -> None:
    pause_s = [0.8]

    def script(plug: socket.socket) -> None:
        time.sleep(pause_s[0])
        answers(http_answer())(plug)

    with Child("import time; print('ready', flush=True); time.sleep(120)") as child, scripted(script) as door:
        probe = ProbeSettings(name="ready", http=f"http://{door.address}/ready", timeout_s=4)
        async with watched(pid=child.pid, probes=[probe]) as it:
            slow = await it.until("PROC-005")
            assert "probe ready passes, but took" in found(slow, "PROC-005").title
            pause_s[0] = 0.0
            await it.until()
