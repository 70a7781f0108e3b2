"""JS-010: messages of one id; where nobody reads ids there is nothing to judge, and that is told as such."""

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.streams import MessageIds, Repeated, Streams
from diagmesh.contract.verdicts import Verdict
from diagmesh.settings import RuleSettings
from support.ruling import ORDERS, codes, found, judge, streams, verdict

TWICE = MessageIds(read=900, without=20, repeated=2, last=(Repeated(seq=90, first_seq=17, apart_s=150.0, age_s=60.0),))


def of(ids: MessageIds | None) -> Streams:
    return streams(replace(ORDERS, ids=ids, duplicate_window_s=120.0))


def test_both_sequences_the_time_between_and_the_window_are_told() -> None:
    finding = found(judge([of(TWICE)]), "JS-010")
    assert finding.title == (
        "ORDERS holds 2 messages twice: sequence 90 has the id of 17, and came 2.5 min later, after its duplicate"
        " window of 2 min"
    )
    assert finding.evidence[-1].value == "900, 20"


@pytest.mark.parametrize("ids", [MessageIds(read=900), replace(TWICE, last=(replace(TWICE.last[0], age_s=7200.0),))])
def test_none_or_none_of_late_is_no_finding(ids: MessageIds) -> None:
    assert codes(judge([of(ids)])) == []


def test_thresholds_may_be_set() -> None:
    assert codes(judge([of(TWICE)], RuleSettings(code="JS-010", limits={"repeated_count": 3}))) == []


def test_without_ids_there_is_nothing_to_judge() -> None:
    said = verdict(judge([of(None)]), "JS-010")
    assert said.verdict is not Verdict.FOUND
    assert [one.not_here for one in said.not_judged] == [True]
