"""RACE-001: a report names both accesses; old ones are clear; without the race detector there is nothing to judge."""

from datetime import timedelta

import msgspec
import pytest

from diagmesh.contract.answers.races import Detector, Races
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged, refused
from diagmesh_rules.data_race import data_race
from support.racing import RACE, RACES
from support.replies import NOW

NONE = Races(distinct=0, reports=0, detector=Detector.ON, at=NOW)
replace = msgspec.structs.replace


def test_both_accesses_are_named_with_function_and_line() -> None:
    (finding,) = judged(data_race, answered(RACES)).findings
    assert (finding.code, finding.severity, finding.instances) == ("RACE-001", Severity.ERROR, ("orders/i1",))
    assert finding.title == (
        "data race: write in store.(*Store).Put (store/store.go:48);"
        " before it read in store.(*Store).Size (store/store.go:71)"
    )
    assert {fact.what: fact.value for fact in finding.evidence} == {
        "later access": "write in store.(*Store).Put (store/store.go:48) by goroutine 7",
        "earlier access": "read in store.(*Store).Size (store/store.go:71) by main goroutine",
        "goroutine 7 made at": "main.main (orders/main.go:33)",
        "reports": 4,
        "first seen": (NOW - timedelta(minutes=12)).isoformat(timespec="seconds"),
        "last seen": (NOW - timedelta(seconds=3)).isoformat(timespec="seconds"),
    }


def test_all_instances_that_have_it_are_in_one_finding() -> None:
    (finding,) = judged(data_race, answered(RACES), answered(RACES, "orders/i2")).findings
    assert finding.instances == ("orders/i1", "orders/i2")
    assert {fact.at for fact in finding.evidence} == {"orders/i1", "orders/i2"}


def test_of_many_the_latest_is_named() -> None:
    older = replace(RACE, id="older", accesses=RACE.accesses[::-1])
    (finding,) = judged(data_race, answered(replace(RACES, races=(RACE, older, older, older)))).findings
    assert finding.title.startswith("4 data races, the latest: write in store.(*Store).Put")
    assert len(finding.evidence) <= 20


def test_a_stack_that_could_not_be_restored_is_told_as_such() -> None:
    unknown = replace(RACE.accesses[1], frames=(), own=None)
    raced = replace(RACE, accesses=(RACE.accesses[0], unknown))
    (finding,) = judged(data_race, answered(replace(RACES, races=(raced,)))).findings
    assert finding.title.endswith("before it read in a stack that could not be restored")


def test_one_that_was_reported_long_ago_is_clear() -> None:
    old = replace(RACES, races=(replace(RACE, last_seen=NOW - timedelta(days=2)),))
    assert judged(data_race, answered(old)).verdicts[0].verdict is Verdict.CLEAR
    soon = RuleSettings(code="RACE-001", limits={"recent_s": 2.0})
    assert judged(data_race, answered(RACES), settings=[soon]).verdicts[0].verdict is Verdict.CLEAR
    untimed = replace(RACES, races=(replace(RACE, last_seen=None),))
    assert judged(data_race, answered(untimed)).verdicts[0].verdict is Verdict.FOUND


@pytest.mark.parametrize(
    ("changes", "verdict", "not_here"),
    [
        ({}, Verdict.CLEAR, []),
        ({"detector": Detector.OFF}, Verdict.BLIND, [True]),
        ({"detector": Detector.UNKNOWN}, Verdict.BLIND, [False]),
        ({"cut": 2}, Verdict.BLIND, [False]),
        ({"left_out": 1}, Verdict.BLIND, [False]),
    ],
)
def test_no_report_is_clear_only_where_there_would_be_one(
    changes: dict[str, object], verdict: Verdict, not_here: list[bool]
) -> None:
    (told,) = judged(data_race, answered(replace(NONE, **changes))).verdicts
    assert (told.verdict, [one.not_here for one in told.not_judged]) == (verdict, not_here)


def test_an_instance_that_cannot_tell_now_is_blind() -> None:
    (told,) = judged(data_race, refused(Races)).verdicts
    assert (told.verdict, told.not_judged[0].not_here) == (Verdict.BLIND, False)
