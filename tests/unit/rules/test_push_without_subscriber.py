"""JS-004: a push consumer to which nobody subscribes is found."""

from msgspec.structs import replace

from diagmesh.contract.answers.streams import Cause
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Blind
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.push_without_subscriber import push_without_subscriber
from support.ruling import WORKER, streams

BAD = replace(WORKER, cause=Cause.UNHEARD, push=True, pending=25, still_s=300.0)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(
        push_without_subscriber, answered(streams(BAD, WORKER)), answered(streams(WORKER), at="orders/i2")
    ).findings
    assert (finding.code, finding.instances) == ("JS-004", ("orders/i1",))
    assert finding.title == "ORDERS/worker: 25 messages wait, nobody subscribes (for 5 min)"
    assert judged(push_without_subscriber, answered(streams(WORKER))).verdicts[0].verdict is Verdict.CLEAR


def test_several_at_one_instance_are_one_finding() -> None:
    (finding,) = judged(push_without_subscriber, answered(streams(BAD, replace(BAD, name="other")))).findings
    assert finding.title == "ORDERS/worker: 25 messages wait, nobody subscribes (for 5 min) (and 1 more)"


def test_what_is_below_the_threshold_is_clear() -> None:
    for mild in (replace(BAD, cause=Cause.NONE), replace(BAD, still_s=3.0)):
        assert judged(push_without_subscriber, answered(streams(mild))).findings == ()


def test_the_threshold_can_be_set() -> None:
    patient = RuleSettings(code="JS-004", limits={"unheard_s": 600.0})
    assert judged(push_without_subscriber, answered(streams(BAD)), settings=[patient]).findings == ()


def test_consumers_that_were_not_seen_are_blind() -> None:
    (verdict,) = judged(
        push_without_subscriber, answered(streams(blind=(Blind(what="consumers", why="not permitted"),)))
    ).verdicts
    assert (verdict.verdict, verdict.not_judged[0].why) == (Verdict.BLIND, "consumers: not permitted")
