"""NATS-021: who may not hear it is named; worse where nobody else gets it; other errors are none of its matter."""

from msgspec.structs import replace

from diagmesh.contract.answers.route import Hop, Link, Route, RouteState, Step, StepKind
from diagmesh.contract.findings import FindingClass, Severity
from support.replies import ROUTE
from support.ruling import codes, found, judge

DENIED = "Not delivered because subscription denies this subject"


def route(state: RouteState, *steps: Step) -> Route:
    return Route(subject="a", state=state, hops=(Hop(server="n1", steps=steps),))


def test_the_receiver_is_named_with_the_words_of_the_server() -> None:
    diagnosis = judge([ROUTE])
    assert codes(diagnosis) == ["NATS-021"]
    finding = found(diagnosis, "NATS-021")
    assert finding.title == "a message on orders.new is kept from stock by permissions"
    assert (finding.severity, finding.class_) == (Severity.WARNING, FindingClass.CONFIGURATION)
    assert ("stock on n2", DENIED) in [(fact.what, fact.value) for fact in finding.evidence]


def test_where_nobody_else_gets_it_it_is_an_error_and_many_are_counted() -> None:
    step = Step(kind=StepKind.DELIVERED, link=Link.CLIENT, cid=7, error=DENIED, refused=True)
    finding = found(judge([route(RouteState.REFUSED, *[step] * 9)]), "NATS-021")
    assert finding.title == "a message on a is kept from connection 7 on n1 and 8 more by permissions"
    assert finding.severity is Severity.ERROR
    assert len(finding.evidence) == 6


def test_another_error_is_no_refusal() -> None:
    step = Step(kind=StepKind.DELIVERED, link=Link.CLIENT, cid=7, error="Not delivered because client is closed")
    assert codes(judge([route(RouteState.REFUSED, step)])) == []
    clean = tuple(replace(hop, steps=tuple(one for one in hop.steps if not one.error)) for hop in ROUTE.hops)
    assert codes(judge([replace(ROUTE, hops=clean)])) == []
