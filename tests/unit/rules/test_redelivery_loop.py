"""JS-006: messages that are sent back again and again are found."""

from msgspec.structs import replace

from diagmesh.contract.answers.streams import Cause
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Blind
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.redelivery_loop import redelivery_loop
from support.ruling import WORKER, streams

BAD = replace(WORKER, cause=Cause.LOOP, redelivered_per_s=900.0, delivered_per_s=0.0)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(
        redelivery_loop, answered(streams(BAD, WORKER)), answered(streams(WORKER), at="orders/i2")
    ).findings
    assert (finding.code, finding.instances) == ("JS-006", ("orders/i1",))
    assert finding.title == "ORDERS/worker: 900 redeliveries per second, faster than its ack wait: they are sent back"
    assert judged(redelivery_loop, answered(streams(WORKER))).verdicts[0].verdict is Verdict.CLEAR


def test_several_at_one_instance_are_one_finding() -> None:
    (finding,) = judged(redelivery_loop, answered(streams(BAD, replace(BAD, name="other")))).findings
    assert (
        finding.title
        == "ORDERS/worker: 900 redeliveries per second, faster than its ack wait: they are sent back (and 1 more)"
    )


def test_what_is_below_the_threshold_is_clear() -> None:
    for mild in (replace(BAD, cause=Cause.NONE), replace(BAD, redelivered_per_s=0.2)):
        assert judged(redelivery_loop, answered(streams(mild))).findings == ()


def test_the_threshold_can_be_set() -> None:
    patient = RuleSettings(code="JS-006", limits={"again_per_s": 1000.0})
    assert judged(redelivery_loop, answered(streams(BAD)), settings=[patient]).findings == ()


def test_consumers_that_were_not_seen_are_blind() -> None:
    (verdict,) = judged(
        redelivery_loop, answered(streams(blind=(Blind(what="consumers", why="not permitted"),)))
    ).verdicts
    assert (verdict.verdict, verdict.not_judged[0].why) == (Verdict.BLIND, "consumers: not permitted")
