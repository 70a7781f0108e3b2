"""JS-011: JetStream without a leader is found."""

from diagmesh.contract.answers.streams import NoQuorum
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.no_quorum import no_quorum
from support.ruling import ORDERS, WORKER, streams

BAD = streams(ORDERS, no_quorum=NoQuorum(reason="JetStream system temporarily unavailable", error_code=10008))
CLEAR = streams(ORDERS)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(no_quorum, answered(BAD), answered(CLEAR, at="orders/i2")).findings
    assert (finding.code, finding.instances) == ("JS-011", ("orders/i1",))
    assert finding.title == "JetStream has no leader: nothing is stored there, nothing delivered"
    assert judged(no_quorum, answered(CLEAR)).verdicts[0].verdict is Verdict.CLEAR


def test_what_is_no_fault_is_clear() -> None:
    for mild in (streams(ORDERS, WORKER),):
        assert judged(no_quorum, answered(mild)).findings == ()


def test_single_streams_are_named() -> None:
    lost = streams(ORDERS, no_quorum=NoQuorum(reason="it has no leader", streams=("ORDERS", "ORDERS/worker")))
    (finding,) = judged(no_quorum, answered(lost)).findings
    assert finding.title.startswith("ORDERS, ORDERS/worker has no leader")
