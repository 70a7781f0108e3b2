import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.health import ExitReason, LastExit, Verdict
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.children import Child, marked_sleeper
from support.ruling import UP, codes, found, judge, verdict, watched

UNKNOWN = LastExit(reason=ExitReason.UNKNOWN, detail="the sidecar is not its parent")


@pytest.mark.parametrize(
    ("restarts", "title"), [(1, "restarted once, last 30 s ago"), (2, "restarted 2 times, last 30 s ago")]
)
@pytest.mark.parametrize("last", [None, UNKNOWN, LastExit(reason=ExitReason.CLEAN, code=0)])
def test_it_is_found_where_the_reason_is_unknown_or_good(restarts: int, title: str, last: LastExit | None) -> None:
    diagnosis = judge([replace(UP, restarts_seen=restarts, uptime_s=30.0, last_exit=last)])
    assert codes(diagnosis) == ["PROC-004"]
    finding = found(diagnosis, "PROC-004")
    assert (finding.severity, finding.title) == (Severity.WARNING, title)


def test_a_deployment_a_week_is_no_loop() -> None:
    answer = replace(UP, restarts_seen=9, restarts_lately=1, uptime_s=30.0)
    finding = found(judge([answer]), "PROC-004")
    assert (finding.severity, finding.title) == (Severity.WARNING, "restarted once, last 30 s ago")
    assert {fact.what: fact.value for fact in finding.evidence}["restarts in the last hour"] == 1
    assert codes(judge([replace(answer, restarts_lately=3)])) == ["PROC-008"]


@pytest.mark.parametrize(("restarts", "uptime_s"), [(0, 1.0), (9, 601.0), (0, None)])
def test_one_that_has_settled_or_never_restarted_is_clear(restarts: int, uptime_s: float | None) -> None:
    answer = replace(UP, restarts_seen=restarts, uptime_s=uptime_s)
    assert verdict(judge([answer]), "PROC-004").verdict is Judged.CLEAR


def test_without_an_uptime_or_a_process_to_see_it_is_blind() -> None:
    unseen = replace(UP.checks[0], verdict=Verdict.BLIND, required=False, reason="no process is declared")
    for answer in (replace(UP, restarts_seen=1, uptime_s=None), replace(UP, checks=(unseen,))):
        assert verdict(judge([answer]), "PROC-004").verdict is Judged.BLIND


SLEEPER, MARK = marked_sleeper()


async def test_a_real_process_that_is_restarted_settles() -> None:
    # Each start must be seen within this time, also on a busy machine: else it has settled before.
    settled = RuleSettings(code="PROC-004", limits={"recent_s": 8.0})
    async with watched(settled, command=f"*{MARK}") as it:
        with Child(SLEEPER):
            await it.until()
        for _ in range(2):
            with Child(SLEEPER):
                await it.until("PROC-004")
                await it.until()
