"""JS-014: a threshold in the metadata that is broken is found."""

from msgspec.structs import replace

from diagmesh.contract.answers.streams import Threshold
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.own_thresholds import own_thresholds
from support.ruling import ORDERS, WORKER, streams

BAD = streams(replace(ORDERS, exceeded=(Threshold(key="msgs-critical", value=43.0, limit=40.0),)))
CLEAR = streams(ORDERS)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(own_thresholds, answered(BAD), answered(CLEAR, at="orders/i2")).findings
    assert (finding.code, finding.instances) == ("JS-014", ("orders/i1",))
    assert finding.title == "ORDERS breaks its own msgs-critical: 43 against 40"
    assert judged(own_thresholds, answered(CLEAR)).verdicts[0].verdict is Verdict.CLEAR


def test_what_is_no_fault_is_clear() -> None:
    for mild in (streams(ORDERS, WORKER),):
        assert judged(own_thresholds, answered(mild)).findings == ()


def test_one_that_warns_is_a_warning_and_one_that_cannot_be_read_as_well() -> None:
    late = Threshold(key="last-ack-critical", value=90.0, limit=60.0, unit="s", warns=True)
    for one, title in (
        (replace(WORKER, exceeded=(late,)), "ORDERS/worker breaks its own last-ack-critical: 90 s against 60 s"),
        (
            replace(WORKER, unreadable=("last-ack-critical=soon",)),
            "ORDERS/worker has a threshold that cannot be read: last-ack-critical=soon",
        ),
    ):
        (finding,) = judged(own_thresholds, answered(streams(one))).findings
        assert (finding.severity, finding.title) == ("warning", title)
