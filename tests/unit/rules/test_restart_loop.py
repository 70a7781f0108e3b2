from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.health import ExitReason, Health, LastExit, Verdict
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.children import Child, marked_sleeper
from support.replies import NOW
from support.ruling import UP, check, codes, found, judge, verdict, watched

ENDED = check("process", Verdict.FAIL, kind="process", target="the service that was launched", reason="it has ended")
PLAIN = LastExit(reason=ExitReason.EXIT, code=3, uptime_s=1.25, restarts=3, last_words="cannot open the store\n")
CLEAN = LastExit(reason=ExitReason.CLEAN, code=0, uptime_s=1.0)


def again(restarts: int = 3, uptime_s: float | None = 30.0, last: LastExit | None = None) -> Health:
    return replace(UP, restarts_seen=restarts, uptime_s=uptime_s, last_exit=last)


def between(last: LastExit, **fields: Any) -> Health:
    base: dict[str, Any] = {"checks": (ENDED,), "pid": None, "process_state": None, "uptime_s": None}
    return replace(UP, **{**base, "restarts_seen": 3, "last_exit": last, **fields})


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (again(), "restarted 3 times in the last hour, last 30 s ago"),
        (again(9, last=CLEAN), "restarted 9 times in the last hour, last 30 s ago"),
        (
            again(last=PLAIN),
            "restarted 3 times in the last hour, last 30 s ago; the one before exited with code 3 after 1.25 s",
        ),
        (
            between(replace(PLAIN, restart_at=NOW)),
            "restarted 3 times in the last hour, between two starts; the one before exited with code 3 after 1.25 s",
        ),
    ],
    ids=["unknown", "clean", "exit", "between two starts"],
)
def test_it_is_found_in_place_of_restarted_and_crashed(answer: Health, title: str) -> None:
    diagnosis = judge([answer])
    assert codes(diagnosis) == ["PROC-008"]
    finding = found(diagnosis, "PROC-008")
    assert (finding.severity, finding.title) == (Severity.ERROR, title)
    assert {verdict(diagnosis, code).verdict for code in ("PROC-001", "PROC-004", "PROC-007")} == {Judged.CLEAR}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (again(2), ["PROC-004"]),
        (replace(again(9), restarts_lately=2), ["PROC-004"]),
        (again(2, last=replace(PLAIN, restarts=2)), ["PROC-007"]),
        (again(9, 601.0), []),
        (again(9, 5.0, replace(PLAIN, uptime_s=86_400.0)), ["PROC-007"]),
        (between(PLAIN), ["PROC-007"]),
        (between(LastExit(reason=ExitReason.UNKNOWN)), ["PROC-001"]),
    ],
    ids=[
        "twice",
        "twice in the last hour",
        "twice crashed",
        "settled",
        "ran for a day before",
        "not started again",
        "attached and gone",
    ],
)
def test_what_is_no_loop_has_another_code_or_none(answer: Health, told: list[str]) -> None:
    assert codes(judge([answer])) == told


def test_what_counts_as_a_loop_is_that_of_the_settings_and_nothing_falls_in_between() -> None:
    patient = RuleSettings(code="PROC-008", limits={"loop_count": 5})
    assert codes(judge([again(4)], patient)) == ["PROC-004"]
    assert codes(judge([again(5)], patient)) == ["PROC-008"]


def test_without_an_uptime_or_a_process_to_see_it_is_blind() -> None:
    unseen = replace(UP.checks[0], verdict=Verdict.BLIND, required=False, reason="no process is declared")
    for answer in (again(uptime_s=None), replace(again(), checks=(unseen,))):
        assert verdict(judge([answer]), "PROC-008").verdict is Judged.BLIND


SLEEPER, MARK = marked_sleeper()


async def test_a_real_process_in_a_restart_loop_settles() -> None:
    # Each start must be seen within this time, also on a busy machine: else it has settled before.
    settled = [RuleSettings(code=code, limits={"recent_s": 8.0}) for code in ("PROC-004", "PROC-008")]
    async with watched(*settled, command=f"*{MARK}") as it:
        with Child(SLEEPER):
            await it.until()
        for code in ("PROC-004", "PROC-004", "PROC-008"):
            with Child(SLEEPER):
                await it.until(code)
                if code == "PROC-008":
                    await it.until()
