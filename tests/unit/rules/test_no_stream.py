"""JS-013: a subject that no stream takes is found, and a stream that is not there."""

from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.no_stream import no_stream
from support.ruling import ORDERS, streams

BAD = streams(unheard_subjects=("orders.new",))
CLEAR = streams(ORDERS)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(no_stream, answered(BAD), answered(CLEAR, at="orders/i2")).findings
    assert (finding.code, finding.instances) == ("JS-013", ("orders/i1",))
    assert finding.title == "no stream takes orders.new: what is published there is lost"
    assert judged(no_stream, answered(CLEAR)).verdicts[0].verdict is Verdict.CLEAR


def test_what_is_no_fault_is_clear() -> None:
    for mild in (streams(ORDERS),):
        assert judged(no_stream, answered(mild)).findings == ()


def test_what_is_not_there_is_named() -> None:
    (finding,) = judged(no_stream, answered(streams(missing=("ORDERS/worker", "BILLS")))).findings
    assert finding.title == "there is no consumer ORDERS/worker (and 1 more)"
