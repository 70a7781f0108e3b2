"""JS-005: a message that was given up or comes again and again is found."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from diagmesh.contract.answers.streams import Cause, PoisonMessage, Streams
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Blind
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.poison_message import poison_message
from support.ruling import WORKER, streams

BAD = replace(WORKER, cause=Cause.POISON, poison=(PoisonMessage(seq=7, deliveries=5, age_s=60.0, given_up=True),))


def test_it_is_found_and_others_are_clear() -> None:
    (finding,) = judged(
        poison_message, answered(streams(BAD, WORKER)), answered(streams(WORKER), at="orders/i2")
    ).findings
    assert (finding.code, finding.instances) == ("JS-005", ("orders/i1",))
    assert finding.title == "ORDERS/worker: message 7 was given up after 5 deliveries, 60 s ago"
    assert judged(poison_message, answered(streams(WORKER))).verdicts[0].verdict is Verdict.CLEAR


def test_several_at_one_instance_are_one_finding() -> None:
    (finding,) = judged(poison_message, answered(streams(BAD, replace(BAD, name="other")))).findings
    assert finding.title == "ORDERS/worker: message 7 was given up after 5 deliveries, 60 s ago (and 1 more)"


MADE: Final = datetime(2026, 11, 27, 14, 2, tzinfo=UTC)
ONE: Final = replace(BAD, created=MADE)


def test_the_same_consumer_seen_from_several_instances_is_told_once() -> None:
    here, there = answered(streams(ONE)), answered(streams(ONE), at="payments/i1")
    (finding,) = judged(poison_message, here, there).findings
    assert finding.title == "ORDERS/worker: message 7 was given up after 5 deliveries, 60 s ago (2 instances)"
    assert finding.instances == ("orders/i1", "payments/i1")
    assert [fact.what for fact in finding.evidence] == ["ORDERS/worker: deliveries of message 7"]


def test_another_consumer_at_another_instance_is_named_too() -> None:
    here, there = answered(streams(ONE)), answered(streams(replace(ONE, name="other")), at="payments/i1")
    (finding,) = judged(poison_message, here, there).findings
    assert finding.title == "Poison message: ORDERS/worker, ORDERS/other (2 instances)"
    assert [fact.at for fact in finding.evidence] == ["orders/i1", "payments/i1"]


def test_one_of_the_same_name_in_another_account_is_another() -> None:
    other = replace(ONE, created=MADE + timedelta(seconds=1))
    (finding,) = judged(poison_message, answered(streams(ONE)), answered(streams(other), at="payments/i1")).findings
    assert finding.title == "Poison message: ORDERS/worker (2 instances)"
    assert [fact.at for fact in finding.evidence] == ["orders/i1", "payments/i1"]


def test_whose_settings_name_it_has_it_and_not_all_who_see_the_account() -> None:
    named, unnamed = answered(streams(ONE, named=True)), answered(streams(ONE), at="payments/i1")
    diagnosis = judged(poison_message, named, unnamed)
    assert [finding.instances for finding in diagnosis.findings] == [("orders/i1",)]
    assert diagnosis.verdicts[0].judged == ("orders/i1", "payments/i1")
    other = answered(streams(replace(ONE, created=MADE + timedelta(seconds=1))), at="payments/i1")
    assert judged(poison_message, named, other).findings[0].instances == ("orders/i1", "payments/i1")


def test_who_subscribes_to_where_it_is_pushed_has_it_and_else_all() -> None:
    def pushed(*, used: bool | None) -> Streams:
        return streams(replace(ONE, push=True, push_bound=True, push_to="mail.out", used=used))

    there = answered(pushed(used=False), at="payments/i1")
    diagnosis = judged(poison_message, answered(pushed(used=True)), there)
    assert [finding.instances for finding in diagnosis.findings] == [("orders/i1",)]
    diagnosis = judged(poison_message, answered(pushed(used=None)), there)
    assert [finding.instances for finding in diagnosis.findings] == [("orders/i1", "payments/i1")], "nobody's is lost"


def test_what_is_below_the_threshold_is_clear() -> None:
    for mild in (
        replace(BAD, cause=Cause.NONE),
        replace(BAD, poison=(PoisonMessage(seq=7, deliveries=5, age_s=9999.0, given_up=True),)),
    ):
        assert judged(poison_message, answered(streams(mild))).findings == ()


def test_the_threshold_can_be_set() -> None:
    patient = RuleSettings(code="JS-005", limits={"recent_s": 30.0})
    assert judged(poison_message, answered(streams(BAD)), settings=[patient]).findings == ()


def test_consumers_that_were_not_seen_are_blind() -> None:
    (verdict,) = judged(
        poison_message, answered(streams(blind=(Blind(what="consumers", why="not permitted"),)))
    ).verdicts
    assert (verdict.verdict, verdict.not_judged[0].why) == (Verdict.BLIND, "consumers: not permitted")
