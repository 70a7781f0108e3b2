"""JS-001: a consumer whose messages nobody acknowledges is found, one that works is clear."""

from msgspec.structs import replace

from diagmesh.contract.answers.streams import Cause
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Blind
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.consumer_stalled import consumer_stalled
from support.ruling import WORKER, streams

BAD = replace(WORKER, cause=Cause.STALLED, ack_pending=10, pending=25, acked_age_s=60.0)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(
        consumer_stalled, answered(streams(BAD, WORKER)), answered(streams(WORKER), at="orders/i2")
    ).findings
    assert (finding.code, finding.instances) == ("JS-001", ("orders/i1",))
    assert finding.title == "ORDERS/worker: 10 of 10 messages held, none acknowledged for 60 s"
    assert judged(consumer_stalled, answered(streams(WORKER))).verdicts[0].verdict is Verdict.CLEAR


def test_several_at_one_instance_are_one_finding() -> None:
    (finding,) = judged(consumer_stalled, answered(streams(BAD, replace(BAD, name="other")))).findings
    assert finding.title == "ORDERS/worker: 10 of 10 messages held, none acknowledged for 60 s (and 1 more)"


def test_what_is_below_the_threshold_is_clear() -> None:
    for mild in (replace(BAD, cause=Cause.NONE), replace(BAD, acked_age_s=2.0)):
        assert judged(consumer_stalled, answered(streams(mild))).findings == ()


def test_the_threshold_can_be_set() -> None:
    patient = RuleSettings(code="JS-001", limits={"still_s": 100.0})
    assert judged(consumer_stalled, answered(streams(BAD)), settings=[patient]).findings == ()


def test_consumers_that_were_not_seen_are_blind() -> None:
    (verdict,) = judged(
        consumer_stalled, answered(streams(blind=(Blind(what="consumers", why="not permitted"),)))
    ).verdicts
    assert (verdict.verdict, verdict.not_judged[0].why) == (Verdict.BLIND, "consumers: not permitted")


def test_one_that_never_acknowledged_has_a_threshold_of_its_own() -> None:
    never = replace(BAD, acked_age_s=None, created_age_s=8.0)
    assert judged(consumer_stalled, answered(streams(never))).findings == ()
    (finding,) = judged(consumer_stalled, answered(streams(replace(never, created_age_s=11.0)))).findings
    assert finding.title == "ORDERS/worker: 10 of 10 messages held, none ever acknowledged"
    assert (finding.evidence[2].what, finding.evidence[2].value) == ("made, and none acknowledged", 11.0)
    at_once = RuleSettings(code="JS-001", limits={"never_s": 0.0})
    assert judged(consumer_stalled, answered(streams(never)), settings=[at_once]).findings != ()
    assert judged(consumer_stalled, answered(streams(replace(BAD, acked_age_s=2.0))), settings=[at_once]).findings == ()


def test_more_than_one_look_takes_is_no_pass() -> None:
    many = replace(streams(WORKER), not_looked_at=3)
    (verdict,) = judged(consumer_stalled, answered(many)).verdicts
    assert (verdict.verdict, "name in [targets.streams]" in verdict.not_judged[0].why) == (Verdict.BLIND, True)
    assert judged(consumer_stalled, answered(replace(many, consumers=(BAD,)))).findings != ()
