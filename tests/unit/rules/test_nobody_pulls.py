"""JS-003: messages for which nobody asks are found."""

from msgspec.structs import replace

from diagmesh.contract.answers.streams import Cause
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Blind
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.nobody_pulls import nobody_pulls
from support.ruling import WORKER, streams

BAD = replace(WORKER, cause=Cause.NOBODY, pending=25, waiting=0, delivered_age_s=300.0)


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(
        nobody_pulls, answered(streams(BAD, WORKER)), answered(streams(WORKER), at="orders/i2")
    ).findings
    assert (finding.code, finding.instances) == ("JS-003", ("orders/i1",))
    assert finding.title == "ORDERS/worker: 25 messages wait, nobody has asked for one for 5 min"
    assert judged(nobody_pulls, answered(streams(WORKER))).verdicts[0].verdict is Verdict.CLEAR


def test_several_at_one_instance_are_one_finding() -> None:
    (finding,) = judged(nobody_pulls, answered(streams(BAD, replace(BAD, name="other")))).findings
    assert finding.title == "ORDERS/worker: 25 messages wait, nobody has asked for one for 5 min (and 1 more)"


def test_what_is_below_the_threshold_is_clear() -> None:
    for mild in (
        replace(BAD, cause=Cause.NONE),
        replace(BAD, delivered_age_s=3.0),
        replace(BAD, delivered_age_s=None, created_age_s=3.0),
    ):
        assert judged(nobody_pulls, answered(streams(mild))).findings == ()


def test_the_threshold_can_be_set() -> None:
    patient = RuleSettings(code="JS-003", limits={"idle_s": 600.0})
    assert judged(nobody_pulls, answered(streams(BAD)), settings=[patient]).findings == ()


def test_consumers_that_were_not_seen_are_blind() -> None:
    (verdict,) = judged(nobody_pulls, answered(streams(blind=(Blind(what="consumers", why="not permitted"),)))).verdicts
    assert (verdict.verdict, verdict.not_judged[0].why) == (Verdict.BLIND, "consumers: not permitted")
