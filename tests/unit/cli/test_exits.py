"""The exit codes of product.md: what each outcome means for a script."""

from typing import Any

import pytest

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.answers.health import Health, State
from diagmesh.contract.answers.streams import Cause, Streams
from diagmesh.contract.directory import CoordinatorEntry, InstanceEntry, InstanceState, ServiceEntry, Services
from diagmesh.contract.findings import Finding, FindingClass, Severity
from diagmesh.contract.mesh import Ended, Field
from diagmesh.contract.verdicts import Check, NotJudged, RuleVerdict, Verdict
from diagmesh.contract.wire import Status
from diagmesh_cli.commands.status import code_of
from diagmesh_cli.exits import EXITS_HELP, Exit
from diagmesh_cli.verdict import of_check, of_directory, of_reply, of_sum
from diagmesh_cli.views.status import MeshStatus
from support.replies import DOWN, PROBLEM, SILENT, UP, directory, heard, result

LIVE = InstanceEntry(instance="i1", state=InstanceState.LIVE)
LOST = InstanceEntry(instance="i2", state=InstanceState.NOT_CONNECTED)


def finding(severity: Severity) -> Finding:
    return Finding(code="RES-001", severity=severity, class_=FindingClass.MESH, title="x")


def states(**counts: int) -> dict[str, Field]:
    return {"state": Field(n=sum(counts.values()), counts=counts, worst=list(counts)[-1])}


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.UP, 0), (State.DEGRADED, 1), (State.DOWN, 1), (State.UNKNOWN, 2)],
)
def test_one_reply_ends_as_its_verdict_says(state: State, code: int) -> None:
    assert of_reply(heard(Health(state=state, reason="", restarts_seen=0)).reply) == code


@pytest.mark.parametrize(("verdict", "code"), [(DoorVerdict.OPEN, 0), (DoorVerdict.REFUSED, 1), (DoorVerdict.BLIND, 2)])
def test_a_server_of_which_nothing_is_known_is_not_judged(verdict: DoorVerdict, code: int) -> None:
    one = heard(Connection(verdict=verdict), kind="connection")
    assert of_reply(one.reply) == code
    fields = {"verdict": Field(n=1, counts={str(verdict): 1}, worst=str(verdict))}
    assert of_sum(result(one, kind="connection", fields=fields).answer) == code


@pytest.mark.parametrize("cause", [Cause.PAUSED, Cause.SLOW, Cause.NOBODY])
def test_what_a_consumer_does_is_no_finding_before_a_rule_says_so(cause: Cause) -> None:
    one = heard(Streams(worst=cause), kind="streams")
    fields = {"worst": Field(n=1, counts={str(cause): 1}, worst=str(cause))}
    assert of_reply(one.reply) == of_sum(result(one, kind="streams", fields=fields).answer) == Exit.WELL
    found = heard(Streams(worst=cause), kind="streams", findings=(finding(Severity.WARNING),))
    assert of_reply(found.reply) is Exit.FINDINGS


@pytest.mark.parametrize(
    ("severity", "code"), [(Severity.INFO, 0), (Severity.WARNING, 1), (Severity.ERROR, 1), (Severity.CRITICAL, 1)]
)
def test_findings_count_from_warning_on(severity: Severity, code: int) -> None:
    assert of_reply(heard(UP, findings=(finding(severity),)).reply) == code
    assert of_reply(heard({"any": 1}, kind="unknown-kind", findings=(finding(severity),)).reply) == code
    assert of_sum(result(heard(UP), findings=(finding(severity),)).answer) == code


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ANSWERED])
def test_a_problem_is_not_judged_whatever_else_was_found(status: Status) -> None:
    reply = heard(None, status=status, problem=PROBLEM, findings=(finding(Severity.ERROR),)).reply
    assert of_reply(reply) is Exit.UNSURE


def test_an_answer_of_another_form_is_not_judged() -> None:
    assert of_reply(heard({"state": 5}).reply) is Exit.UNSURE
    assert of_reply(heard({"state": "of a newer version"}).reply) is Exit.UNSURE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"fields": states(up=2)}, Exit.WELL),
        ({"fields": states(up=1, degraded=1)}, Exit.FINDINGS),
        ({"fields": states(up=1, down=1)}, Exit.FINDINGS),
        ({"fields": states(up=1, unknown=1)}, Exit.UNSURE),
        ({"fields": states(unknown=1, down=1)}, Exit.UNSURE),
        ({"fields": states(down=2), "silent": SILENT}, Exit.UNSURE),
        ({"ended": Ended.TIMEOUT}, Exit.UNSURE),
        ({"ended": Ended.CONNECTION_LOST}, Exit.UNSURE),
        ({"ended": Ended.WARMING}, Exit.UNSURE),
        ({"ended": Ended.LIMIT, "expected": 9}, Exit.WELL),
        ({"expected": 9}, Exit.UNSURE),
    ],
)
def test_a_sum_ends_as_its_worst_part(changes: dict[str, Any], code: Exit) -> None:
    assert of_sum(result(heard(UP), heard(UP, instance="i2"), **changes).answer) is code


def test_a_declined_one_among_many_is_not_judged() -> None:
    refused = heard(None, instance="i2", status=Status.DECLINED, problem=PROBLEM)
    assert of_sum(result(heard(UP), refused).answer) is Exit.UNSURE
    assert of_sum(result(heard(UP), refused, ended=Ended.LIMIT).answer) is Exit.UNSURE


def test_who_need_not_have_anything_of_the_kind_does_not_count_beside_those_who_have() -> None:
    lacks = heard(None, instance="i2", status=Status.UNAVAILABLE, problem=PROBLEM)
    assert of_sum(result(heard(UP), lacks, without=1).answer) is Exit.WELL
    assert of_sum(result(heard(UP), lacks).answer) is Exit.UNSURE


def test_nobody_there_is_3() -> None:
    assert of_sum(result().answer) is Exit.NOBODY
    assert of_directory(directory()) is Exit.NOBODY


def test_the_directory_ends_with_2_when_somebody_is_missing() -> None:
    assert of_directory(directory(ServiceEntry(service="a", instances=(LIVE,)))) is Exit.WELL
    assert of_directory(directory(ServiceEntry(service="a", instances=(LIVE, LOST)))) is Exit.UNSURE
    assert of_directory(directory(ServiceEntry(service="a", instances=(LIVE,), lacking=1))) is Exit.UNSURE
    warming = directory(ServiceEntry(service="a", instances=(LIVE,)), ended=Ended.WARMING)
    assert of_directory(warming) is Exit.UNSURE
    doubtful = directory(ServiceEntry(service="a", instances=(LIVE,)), problems=("two under one name",))
    assert of_directory(doubtful) is Exit.FINDINGS


def test_status_ends_with_the_worse_of_directory_and_health() -> None:
    fine = directory(ServiceEntry(service="orders", instances=(LIVE,)))
    lost = directory(ServiceEntry(service="orders", instances=(LIVE, LOST)))
    well, down = result(heard(UP), fields=states(up=1)), result(heard(DOWN), fields=states(down=1))
    assert code_of(MeshStatus(services=fine, health=well)) is Exit.WELL
    assert code_of(MeshStatus(services=None, health=well)) is Exit.UNSURE, "nobody knows who is missing"
    assert code_of(MeshStatus(services=fine, health=down)) is Exit.FINDINGS
    assert code_of(MeshStatus(services=lost, health=down)) is Exit.UNSURE
    assert code_of(MeshStatus(services=directory(), health=result())) is Exit.NOBODY


def test_the_help_tells_every_code() -> None:
    assert all(f"\n  {code.value} " in EXITS_HELP for code in Exit)


# --- a check


def judged(verdict: Verdict = Verdict.CLEAR, again_in_s: float | None = None, **fields: Any) -> Check:
    one = NotJudged(instance="orders/i2", why="x", again_in_s=again_in_s)
    missing = (one,) if verdict is Verdict.BLIND or again_in_s else ()
    rule = RuleVerdict(
        code="RES-001", title="t", verdict=verdict, judged=("orders/i1",), not_judged=missing, again_in_s=again_in_s
    )
    return Check(verdicts=(rule,), **{"expected": 1, **fields})


@pytest.mark.parametrize(
    ("check", "fail_on", "code"),
    [
        (judged(), "warning", Exit.WELL),
        (judged(Verdict.FOUND, findings=(finding(Severity.WARNING),)), "warning", Exit.FINDINGS),
        (judged(Verdict.FOUND, findings=(finding(Severity.WARNING),)), "error", Exit.WELL),
        (judged(Verdict.FOUND, findings=(finding(Severity.INFO),)), "info", Exit.FINDINGS),
        (judged(Verdict.FOUND), "info", Exit.WELL),  # suppressed
        (judged(Verdict.BLIND), "critical", Exit.UNSURE),
        (judged(Verdict.BROKEN, findings=(finding(Severity.CRITICAL),)), "warning", Exit.UNSURE),
        (judged(silent=SILENT), "warning", Exit.UNSURE),
        (judged(ended=Ended.WARMING), "warning", Exit.UNSURE),
        (judged(expected=0), "warning", Exit.NOBODY),
        (judged(expected=0, findings=(finding(Severity.ERROR),)), "warning", Exit.FINDINGS),
    ],
)
def test_a_check_that_could_not_judge_everybody_is_never_well(check: Check, fail_on: str, code: Exit) -> None:
    assert of_check(check, Severity(fail_on)) is code


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (judged(Verdict.BLIND, 56.0), Exit.WELL),
        (judged(Verdict.FOUND, 56.0, findings=(finding(Severity.WARNING),)), Exit.FINDINGS),
        (judged(Verdict.BROKEN, 56.0), Exit.UNSURE),
        (judged(Verdict.BLIND, 56.0, silent=SILENT), Exit.UNSURE),
    ],
)
def test_one_that_is_only_too_young_is_unsure_where_that_is_asked_for(check: Check, code: Exit) -> None:
    assert of_check(check, Severity.WARNING) is code
    assert of_check(check, Severity.WARNING, strict=True) is Exit.UNSURE


NOT_HERE = NotJudged(instance="orders/i2", why="unavailable: 501 not on this instance", not_here=True)
YOUNG = NotJudged(instance="orders/i3", why="too few samples", again_in_s=2.0)
UNSEEN = NotJudged(instance="orders/i4", why="no reply")


@pytest.mark.parametrize(
    ("verdict", "missing", "again_in_s", "code"),
    [
        (Verdict.CLEAR, (NOT_HERE,), None, Exit.WELL),
        (Verdict.BLIND, (NOT_HERE,), None, Exit.WELL),
        (Verdict.FOUND, (NOT_HERE,), None, Exit.WELL),
        (Verdict.BLIND, (UNSEEN, NOT_HERE), None, Exit.UNSURE),
        (Verdict.BLIND, (YOUNG, NOT_HERE), 2.0, Exit.WELL),
    ],
)
def test_where_there_is_nothing_of_the_kind_nothing_was_missed(
    verdict: Verdict, missing: tuple[NotJudged, ...], again_in_s: float | None, code: Exit
) -> None:
    rule = RuleVerdict(code="RACE-001", title="t", verdict=verdict, not_judged=missing, again_in_s=again_in_s)
    check = Check(verdicts=(rule,), expected=2)
    assert of_check(check, Severity.WARNING) is code
    strict = Exit.UNSURE if again_in_s is not None else code
    assert of_check(check, Severity.WARNING, strict=True) is strict


@pytest.mark.parametrize(
    ("state", "declared", "lacking", "code"),
    [
        (InstanceState.LIVE, None, 0, Exit.WELL),
        (InstanceState.LIVE, 2, 0, Exit.WELL),
        (InstanceState.SILENT, None, 0, Exit.UNSURE),
        (InstanceState.NOT_CONNECTED, 2, 0, Exit.UNSURE),
        (InstanceState.NOT_CONNECTED, 1, 0, Exit.WELL),
        (InstanceState.LIVE, 3, 1, Exit.UNSURE),
    ],
)
def test_a_coordinator_that_is_missing_is_somebody_missing(
    state: InstanceState, declared: int | None, lacking: int, code: Exit
) -> None:
    coordinators = (CoordinatorEntry(instance="c1", boot="b"), CoordinatorEntry(instance="c2", boot="b", state=state))
    entry = ServiceEntry(service="orders", instances=(LIVE,))
    found = Services(
        services=(entry,),
        live=1,
        coordinators=coordinators,
        coordinators_declared=declared,
        coordinators_lacking=lacking,
    )
    assert of_directory(found) is code
