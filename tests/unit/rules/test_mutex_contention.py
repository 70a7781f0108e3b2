"""PROF-003: goroutines that stand in line, and who holds the lock; a service that does not count is not free of it."""

import msgspec

from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.mutex_contention import mutex_contention
from support.profiles import surveyed

WAITING = {"store.(*Store).Hold": 380_000_000, "store.Put": 20_000_000}


def test_who_holds_the_lock_is_named() -> None:
    (finding,) = judged(mutex_contention, answered(surveyed(mutex=WAITING))).findings
    assert (
        finding.title
        == "goroutines wait for locks 0.4 s per second; 95 % of it while store.(*Store).Hold (store.go:7) holds one"
    )


def test_a_little_waiting_is_usual() -> None:
    (verdict,) = judged(mutex_contention, answered(surveyed(mutex={"store.Put": 20_000_000}))).verdicts
    assert verdict.verdict is Verdict.CLEAR


def test_one_long_wait_is_no_contention() -> None:
    (verdict,) = judged(mutex_contention, answered(surveyed(mutex=WAITING, waits=10))).verdicts
    assert verdict.verdict is Verdict.CLEAR


def test_locks_of_the_runtime_are_not_those_of_the_service() -> None:
    answer = surveyed(mutex=WAITING)
    (delay,) = [one for one in answer.counted if one.type == "mutex"]
    rows = tuple(msgspec.structs.replace(row, function="runtime.unlock") for row in delay.rows)
    counted = tuple(msgspec.structs.replace(one, rows=rows) if one is delay else one for one in answer.counted)
    (verdict,) = judged(mutex_contention, answered(msgspec.structs.replace(answer, counted=counted))).verdicts
    assert verdict.verdict is Verdict.CLEAR


def test_a_service_that_does_not_count_is_not_judged() -> None:
    (verdict,) = judged(mutex_contention, answered(surveyed(mutex={"store.Put": 1}, counts_locks=False))).verdicts
    assert verdict.verdict is Verdict.BLIND
    assert verdict.not_judged[0].why == "the service does not count who waits for locks"


def test_a_look_at_something_else_is_blind() -> None:
    (verdict,) = judged(mutex_contention, answered(msgspec.structs.replace(surveyed(), counted=()))).verdicts
    assert verdict.verdict is Verdict.BLIND
