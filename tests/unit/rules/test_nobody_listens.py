"""NATS-020: nobody where all branches were followed; whoever gets it, or might, keeps it quiet."""

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.route import Hop, Route, RouteState, Step, StepKind
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Problem
from support.replies import NO_ROUTE
from support.ruling import codes, found, judge, reply, verdict


def test_it_names_subject_account_and_what_to_do() -> None:
    diagnosis = judge([NO_ROUTE])
    assert codes(diagnosis) == ["NATS-020"]
    finding = found(diagnosis, "NATS-020")
    assert finding.title == "a message on orders.gone would be lost: nobody listens there"
    assert (finding.severity, finding.class_) == (Severity.ERROR, FindingClass.MESSAGE_LOSS)
    assert ("account", "APP") in [(fact.what, fact.value) for fact in finding.evidence]
    assert "nats sub orders.gone" in finding.advice.now[0]


def test_a_stream_that_keeps_nothing_is_named() -> None:
    step = Step(kind=StepKind.STORED, name="IDLE", error="no consumer of it wants this subject, so it keeps nothing")
    finding = found(judge([replace(NO_ROUTE, hops=(Hop(server="n1", steps=(step,)),))]), "NATS-020")
    assert finding.title.endswith("and stream IDLE keeps nothing without a consumer")


@pytest.mark.parametrize("state", [RouteState.REACHED, RouteState.REFUSED])
def test_it_is_quiet_where_somebody_listens(state: RouteState) -> None:
    diagnosis = judge([Route(subject="a", state=state)])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "NATS-020").verdict is Judged.CLEAR


def test_what_could_not_be_followed_is_not_judged() -> None:
    diagnosis = judge([Route(subject="a", state=RouteState.UNSEEN)])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "NATS-020").verdict is Judged.BLIND


def test_without_an_observer_there_is_nothing_to_judge() -> None:
    diagnosis = judge([reply(Problem(code=501, error="not on this instance"), Route)])
    assert [one.not_here for one in verdict(diagnosis, "NATS-020").not_judged] == [True]
