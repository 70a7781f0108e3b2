"""The JUnit report: one case per rule, whole or not there, and well-formed whatever the mesh says."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Check, NotJudged, RuleVerdict, Verdict
from diagmesh_cli.junit import junit_of, write_junit
from diagmesh_cli.main import run
from diagmesh_cli.trouble import UsageError
from support.replies import CHECK, NOT_ASKED


def written(check: Check, fail_on: Severity, directory: Path) -> Any:
    write_junit(check, fail_on, directory / "junit.xml", 1.5)
    return ET.parse(directory / "junit.xml").getroot()  # noqa: S314  our own file


def outcomes(root: Any) -> dict[str, list[str]]:
    return {case.get("name").partition(" ")[0]: [part.tag for part in case] for case in root.iter("testcase")}


def test_each_rule_is_a_case_with_its_outcome(tmp_path: Path) -> None:
    root = written(CHECK, Severity.WARNING, tmp_path)
    assert outcomes(root) == {
        "PROC-002": ["failure"],
        "RES-001": ["system-out"],
        "RES-002": ["skipped", "system-out"],
        "RES-003": ["skipped", "system-out"],
        "RES-004": ["error"],
        "RES-005": ["skipped"],
        "RES-006": [],
        "RES-007": [],
        "RES-008": ["system-out"],
    }
    suite = root.find("testsuite")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "9", "failures": "1", "errors": "1", "skipped": "3", "time": "1.500",
    }  # fmt: skip
    failure = root.find(".//failure")
    assert (failure.get("type"), failure.get("message")) == ("critical", "process 4711 is stopped by a signal")
    assert "now: let it run on: kill -CONT 4711" in failure.text
    assert root.find(".//error").get("message") == "RuntimeError: on purpose"
    assert "nobody answered what it reads" in {one.get("message") for one in root.iter("skipped")}
    assert [one.name for one in tmp_path.iterdir()] == ["junit.xml"], "nothing is left beside it"


def test_what_concerns_a_whole_service_is_told_by_its_name(tmp_path: Path) -> None:
    lacking = msgspec.structs.replace(CHECK.findings[0], instances=("mesh/",))
    root = written(Check(findings=(lacking,), verdicts=CHECK.verdicts[:1]), Severity.WARNING, tmp_path)
    assert "at: mesh\n" in root.find(".//failure").text


def test_who_was_not_asked_is_a_case_that_is_skipped(tmp_path: Path) -> None:
    root = written(msgspec.structs.replace(CHECK, not_asked=NOT_ASKED), Severity.WARNING, tmp_path)
    suite, before = root.find("testsuite"), written(CHECK, Severity.WARNING, tmp_path).find("testsuite")
    assert (int(suite.get("tests")), len(suite)) == (int(before.get("tests")) + 1, len(before) + 1)
    assert int(suite.get("skipped")) == int(before.get("skipped")) + 1
    case = suite[-1]
    assert (case.get("name"), case[0].tag) == ("everybody who is meant was asked", "skipped")
    assert case[0].get("message").startswith("8 instances not asked: nobody knows whether it is meant")
    assert "not asked: orders/i2, orders/i3" in case.find("system-out").text


def test_until_a_check_has_ended_the_report_tells_an_error_not_what_was_before(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write_junit(CHECK, Severity.WARNING, path, 1.5)
    assert run(["check", "--nats", "nats://127.0.0.1:1", "--junit", str(path)]) == 3
    root = ET.parse(path).getroot()  # noqa: S314  our own file
    assert outcomes(root) == {"the": ["error"]}
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")


def test_the_severity_that_fails_can_be_chosen(tmp_path: Path) -> None:
    assert outcomes(written(CHECK, Severity.INFO, tmp_path))["RES-001"] == ["failure"]


def test_what_was_there_is_replaced_and_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("old")
    assert outcomes(written(CHECK, Severity.WARNING, tmp_path))
    with pytest.raises(UsageError, match=r"--junit .*No such file or directory"):
        write_junit(CHECK, Severity.WARNING, tmp_path / "nowhere" / "junit.xml", 0)


def test_one_that_is_too_young_is_skipped_with_the_time(tmp_path: Path) -> None:
    young = NotJudged(instance="orders/i1", why="too few samples", again_in_s=2.4)
    rule = RuleVerdict(code="RES-004", title="t", verdict=Verdict.BLIND, not_judged=(young,), again_in_s=2.4)
    root = written(msgspec.structs.replace(CHECK, verdicts=(rule,)), Severity.WARNING, tmp_path)
    assert root.find(".//skipped").get("message") == "too young to judge, ask again in 3 s: too few samples"


@given(st.text())
def test_any_text_makes_a_document_that_can_be_read(text: str) -> None:
    rule = RuleVerdict(code="RES-001", title=text, verdict=Verdict.BROKEN, reason=text)
    check = msgspec.structs.replace(CHECK, verdicts=(rule,))
    document = ET.tostring(junit_of(check, Severity.WARNING, 0), encoding="utf-8")
    assert ET.fromstring(document).find(".//error") is not None  # noqa: S314  our own
