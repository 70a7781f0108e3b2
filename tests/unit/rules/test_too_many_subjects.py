"""JS-015: a stream with a million subjects is found."""

from msgspec.structs import replace

from diagmesh.contract.verdicts import Verdict
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.too_many_subjects import too_many_subjects
from support.ruling import ORDERS, streams

BAD = streams(replace(ORDERS, distinct_subjects=1_000_000))
CLEAR = streams(ORDERS)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(too_many_subjects, answered(BAD), answered(CLEAR, at="orders/i2")).findings
    assert (finding.code, finding.instances) == ("JS-015", ("orders/i1",))
    assert finding.title == "ORDERS holds messages of 1000000 subjects"
    assert judged(too_many_subjects, answered(CLEAR)).verdicts[0].verdict is Verdict.CLEAR


def test_what_is_no_fault_is_clear() -> None:
    for mild in (streams(replace(ORDERS, distinct_subjects=999_999)),):
        assert judged(too_many_subjects, answered(mild)).findings == ()


def test_the_threshold_can_be_set() -> None:
    patient = RuleSettings(code="JS-015", limits={"subjects_count": 2_000_000})
    assert judged(too_many_subjects, answered(BAD), settings=[patient]).findings == ()
