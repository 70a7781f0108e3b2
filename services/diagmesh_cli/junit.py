"""A check as a JUnit report: what CI systems show without being taught anything."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from diagmesh.contract.findings import Finding, Severity
from diagmesh.contract.mesh import NotAsked
from diagmesh.contract.verdicts import Check, RuleVerdict, Verdict
from diagmesh_cli.files import replace
from diagmesh_cli.views.words import fact, place, plural, whose

__all__ = ["begin_junit", "junit_of", "write_junit"]

_FIRST_PRINTABLE: Final = 0x20
_NO_XML: Final = {code: "\N{REPLACEMENT CHARACTER}" for code in range(_FIRST_PRINTABLE) if chr(code) not in "\t\n"} | {
    0xFFFE: "\N{REPLACEMENT CHARACTER}",
    0xFFFF: "\N{REPLACEMENT CHARACTER}",
}
"""Characters that no XML document may hold, in whatever way they are written."""


def junit_of(check: Check, fail_on: Severity, took_s: float) -> ET.Element:
    """One test case per rule: found is a failure, blind is skipped with the reason, broken is an error.

    Where somebody was not asked, one more that is skipped names them.

    Args:
        check: what was said.
        fail_on: findings below this pass, and are told in the output of their case.
        took_s: how long the whole check took.
    """
    suite = ET.Element("testsuite", name="diagmesh check", time=f"{took_s:.3f}")
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for verdict in check.verdicts:
        case = ET.SubElement(
            suite, "testcase", classname=verdict.code.partition("-")[0], name=_xml(f"{verdict.code} {verdict.title}")
        )
        findings = [one for one in check.findings if one.code == verdict.code]
        for name in _outcome(case, verdict, findings, fail_on):
            counts[name] += 1
    if check.not_asked:
        _add_not_asked(suite, check.not_asked)
        counts["skipped"] += 1
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    root = ET.Element("testsuites")
    root.append(suite)
    return root


def _add_not_asked(suite: ET.Element, not_asked: Sequence[NotAsked]) -> None:
    case = ET.SubElement(suite, "testcase", classname="diagmesh", name="everybody who is meant was asked")
    reasons: dict[str, list[str]] = {}
    for one in not_asked:
        reasons.setdefault(one.reason, []).append(whose(one.service, one.instance))
    _tell(case, "skipped", f"{plural(len(not_asked), 'instance')} not asked: {'; '.join(reasons)}", "")
    lines = [f"not asked: {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    ET.SubElement(case, "system-out").text = _xml("\n".join(lines))


def write_junit(check: Check, fail_on: Severity, file: Path, took_s: float) -> None:
    """Write the report: whoever reads the file sees all of it or what was there before.

    Raises:
        UsageError: the file cannot be written.
    """
    _write(junit_of(check, fail_on, took_s), file)


def begin_junit(file: Path) -> None:
    """Write a report with one error: what stands there when the check never comes to its end, not the last good one.

    Raises:
        UsageError: the file cannot be written.
    """
    suite = ET.Element("testsuite", name="diagmesh check", tests="1", failures="0", errors="1", skipped="0")
    case = ET.SubElement(suite, "testcase", classname="diagmesh", name="the mesh was checked")
    _tell(case, "error", "the check did not come to an end: see what the command said, and its exit code", "")
    root = ET.Element("testsuites")
    root.append(suite)
    _write(root, file)


def _write(root: ET.Element, file: Path) -> None:
    replace(file, ET.tostring(root, encoding="utf-8", xml_declaration=True), "--junit")


def _outcome(case: ET.Element, verdict: RuleVerdict, findings: Sequence[Finding], fail_on: Severity) -> list[str]:
    """Put what a rule said into its case; the names of the elements that count."""
    failing = [one for one in findings if one.severity.rank >= fail_on.rank]
    passing = [one for one in findings if one not in failing]
    outcome: list[str] = []
    if verdict.verdict is Verdict.BROKEN:
        outcome = [_tell(case, "error", verdict.reason, verdict.reason)]
    elif failing:
        outcome = [_tell(case, "failure", failing[0].title, "\n\n".join(map(_text, failing)), failing[0].severity)]
    elif verdict.verdict is Verdict.BLIND:
        why = verdict.reason or "; ".join(dict.fromkeys(one.why for one in verdict.not_judged))
        if verdict.again_in_s is not None:
            why = f"too young to judge, ask again in {math.ceil(verdict.again_in_s)} s: {why}"
        outcome = [_tell(case, "skipped", why, "")]
    said = [_text(one) for one in passing]
    if verdict.not_judged:
        names = ", ".join(f"{one.instance} ({one.why})" for one in verdict.not_judged)
        said.append(f"not judged: {plural(len(verdict.not_judged), 'instance')}: {names}")
    if verdict.verdict is Verdict.FOUND and not findings:
        said.append("found, and suppressed by the settings")
    if said:
        ET.SubElement(case, "system-out").text = _xml("\n\n".join(said))
    return outcome


def _tell(case: ET.Element, name: str, message: str, text: str, kind: str = "") -> str:
    element = ET.SubElement(case, name, message=_xml(message))
    if kind:
        element.set("type", kind)
    element.text = _xml(text) or None
    return name


def _text(finding: Finding) -> str:
    lines = [f"{finding.severity} {finding.code} {finding.title}", f"at: {', '.join(map(place, finding.instances))}"]
    lines += [f"seen: {fact(one)}" for one in finding.evidence]
    lines += [f"now: {line}" for line in finding.advice.now]
    return "\n".join(lines)


def _xml(text: str) -> str:
    return text.translate(_NO_XML)
