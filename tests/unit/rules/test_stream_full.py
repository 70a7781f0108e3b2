"""JS-008: a stream that refuses what does not fit is found when it is full, or will be."""

from msgspec.structs import replace

from diagmesh.contract.verdicts import Verdict
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.stream_full import stream_full
from support.ruling import ORDERS, streams

BAD = streams(replace(ORDERS, discard="new", full_share=1.0, full_of="messages", max_messages=43))
CLEAR = streams(ORDERS)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(stream_full, answered(BAD), answered(CLEAR, at="orders/i2")).findings
    assert (finding.code, finding.instances) == ("JS-008", ("orders/i1",))
    assert finding.title == "ORDERS holds 100 % of the messages that it may: new ones are refused"
    assert judged(stream_full, answered(CLEAR)).verdicts[0].verdict is Verdict.CLEAR


def test_what_is_no_fault_is_clear() -> None:
    for mild in (
        streams(replace(ORDERS, full_share=1.0)),
        streams(replace(ORDERS, discard="new", full_share=0.5)),
    ):
        assert judged(stream_full, answered(mild)).findings == ()


def test_the_threshold_can_be_set() -> None:
    patient = RuleSettings(code="JS-008", limits={"near_share": 1.1, "error_share": 1.1})
    assert judged(stream_full, answered(BAD), settings=[patient]).findings == ()


def test_near_is_a_warning_and_soon_as_well() -> None:
    near = replace(ORDERS, discard="new", full_share=0.92, full_of="bytes")
    soon = replace(near, full_share=0.5, full_in_s=60.0)
    for one, title in (
        (near, "ORDERS holds 92 % of the bytes that it may"),
        (soon, "ORDERS holds 50 % of the bytes that it may, full in 60 s"),
    ):
        (finding,) = judged(stream_full, answered(streams(one))).findings
        assert (finding.severity, finding.title) == ("warning", title)


def test_a_stream_that_takes_no_more_consumers_is_found_whatever_it_discards() -> None:
    (finding,) = judged(stream_full, answered(streams(replace(ORDERS, consumers=10, max_consumers=10)))).findings
    assert finding.title == "ORDERS holds 100 % of the consumers that it may: new ones are refused"
