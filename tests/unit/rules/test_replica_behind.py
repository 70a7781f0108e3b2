"""JS-012: a replica that is offline or far behind is found, and a source that is."""

from msgspec.structs import replace

from diagmesh.contract.answers.streams import Replica, SourceState
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.replica_behind import replica_behind
from support.ruling import ORDERS, streams

BAD = streams(
    replace(ORDERS, leader="n1", replicas=(Replica(name="n2", current=True), Replica(name="n3", offline=True)))
)
CLEAR = streams(ORDERS)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(replica_behind, answered(BAD), answered(CLEAR, at="orders/i2")).findings
    assert (finding.code, finding.instances) == ("JS-012", ("orders/i1",))
    assert finding.title == "ORDERS: its replica on n3 is offline"
    assert judged(replica_behind, answered(CLEAR)).verdicts[0].verdict is Verdict.CLEAR


def test_what_is_no_fault_is_clear() -> None:
    for mild in (
        streams(
            replace(
                ORDERS,
                replicas=(Replica(name="n2", current=True, lag=3, active_s=0.2),),
                sources=(SourceState(name="S", active_s=1.0),),
            )
        ),
    ):
        assert judged(replica_behind, answered(mild)).findings == ()


def test_each_way_to_be_behind_is_told() -> None:
    def told(**parts: object) -> str:
        (finding,) = judged(replica_behind, answered(streams(replace(ORDERS, **parts)))).findings
        return finding.title

    assert told(replicas=(Replica(name="n2", lag=5000),)) == "ORDERS: its replica on n2 is 5000 operations behind"
    assert told(replicas=(Replica(name="n2", active_s=90.0),)) == "ORDERS: its replica on n2 was not heard for 90 s"
    assert told(sources=(SourceState(name="S", mirror=True, lag=2000),)) == (
        "ORDERS mirrors S, and is 2000 messages behind"
    )
    assert told(sources=(SourceState(name="S", active_s=90.0),)) == "ORDERS takes from S, and did not hear it for 90 s"
    assert told(sources=(SourceState(name="S", error="no stream"),)) == "ORDERS takes from S, which fails: no stream"
