"""Whom nobody touched: what is found there, or at a copy that has left, is told with the faults of that time."""

from diagmesh.contract.findings import Finding, FindingClass, Severity
from diagmesh.contract.verdicts import Check
from faults.strays import Lives
from faults.watching import Seen


def looked(at: float, **found: str) -> Seen:
    findings = tuple(
        Finding(
            code=code.replace("_", "-"),
            severity=Severity.WARNING,
            class_=FindingClass.CRASH,
            title="it is down",
            instances=(name,),
        )
        for code, name in found.items()
    )
    return Seen(at, Check(findings=findings))


def test_a_finding_at_a_copy_while_it_has_its_fault_is_none() -> None:
    lives = Lives()
    lives.note("crash", ("payments/crash",), 10.0, 20.0)
    seen = [looked(10.0, PROC_001="payments/crash"), looked(20.0, PROC_001="payments/crash")]
    assert not lives.strays(seen)
    assert lives.told(seen) == []


def test_after_it_has_left_it_counts_and_says_how_long_after() -> None:
    lives = Lives()
    lives.note("crash", ("payments/crash",), 10.0, 20.0)
    lives.note("spin", ("payments/spin",), 15.0, 30.0)
    seen = [looked(9.0), looked(21.5, PROC_001="payments/crash"), looked(22.0, PROC_001="payments/crash")]
    assert lives.strays(seen) == {"PROC-001": 2}
    assert lives.told(seen) == ["PROC-001 at payments/crash after 12 s, 1.5 s after it had left (spin): it is down"]


def test_the_base_is_never_excused() -> None:
    lives = Lives()
    lives.note("crash", ("orders/i1",), 0.0, 20.0)
    assert lives.strays([looked(5.0, PROC_001="orders/i1")]) == {"PROC-001": 1}


def test_two_in_one_judgement_are_one_for_each_code() -> None:
    seen = [looked(1.0, PROC_001="orders/i1", PROC_002="payments/i1")]
    assert Lives().strays(seen) == {"PROC-001": 1, "PROC-002": 1}
    assert len(Lives().told(seen)) == 2
