"""JS-009: messages that were dropped before they were delivered are found, and such that will be."""

from msgspec.structs import replace

from diagmesh.contract.verdicts import Verdict
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.messages_lost import messages_lost
from support.ruling import ORDERS, WORKER, streams

BAD = streams(replace(WORKER, lost=12))
CLEAR = streams(ORDERS)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(messages_lost, answered(BAD), answered(CLEAR, at="orders/i2")).findings
    assert (finding.code, finding.instances) == ("JS-009", ("orders/i1",))
    assert finding.title == "ORDERS/worker: 12 messages were dropped before it got them"
    assert judged(messages_lost, answered(CLEAR)).verdicts[0].verdict is Verdict.CLEAR


def test_what_is_no_fault_is_clear() -> None:
    for mild in (
        streams(WORKER),
        streams(replace(WORKER, lost_in_s=9000.0)),
    ):
        assert judged(messages_lost, answered(mild)).findings == ()


def test_the_threshold_can_be_set() -> None:
    patient = RuleSettings(code="JS-009", limits={"lost_count": 20})
    assert judged(messages_lost, answered(BAD), settings=[patient]).findings == ()


def test_what_will_be_lost_is_a_warning() -> None:
    (finding,) = judged(messages_lost, answered(streams(replace(WORKER, lost_in_s=60.0)))).findings
    assert (finding.severity, finding.title) == (
        "warning",
        "ORDERS/worker: in 60 s messages will be dropped before it gets them",
    )
