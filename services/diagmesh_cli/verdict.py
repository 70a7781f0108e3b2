"""What a reply or a sum of replies means for the exit code: all well, findings, or not judged."""

from collections.abc import Iterable

import msgspec

from diagmesh.aggregate import measured
from diagmesh.client import answer_type_of
from diagmesh.contract.directory import InstanceState, Services
from diagmesh.contract.findings import Finding, Severity
from diagmesh.contract.measures import Ranked
from diagmesh.contract.mesh import Ended, MeshAnswer
from diagmesh.contract.verdicts import Check, RuleVerdict, Verdict
from diagmesh.contract.wire import Reply, Status
from diagmesh_cli.exits import Exit

__all__ = ["of_check", "of_directory", "of_findings", "of_reply", "of_sum"]

_WHOLE = (Ended.COMPLETE, Ended.LIMIT)
_NO_VERDICT = (Verdict.BLIND, Verdict.BROKEN)


def of_reply(reply: Reply) -> Exit:
    """One reply: a problem is *not judged*; a verdict below the best, or a finding, is a finding."""
    if reply.status is not Status.ANSWERED:
        return Exit.UNSURE
    code = of_findings(reply.findings)
    answer = answer_type_of(reply.kind)
    if answer is None or not isinstance(reply.answer, msgspec.Raw):
        return code
    reader = measured(answer)
    try:
        values = reader.read(reply.answer)
    except (msgspec.DecodeError, RecursionError):
        return Exit.UNSURE
    for declared, value in zip(reader.fields, values, strict=True):
        if isinstance(declared.mark, Ranked) and value is not None:
            code = max(code, _of_verdict(declared.mark, str(value)))
    return code


def of_sum(answer: MeshAnswer) -> Exit:
    """Many replies: whoever is silent or declined was *not judged*; nobody at all is *nobody there*.

    Whoever has nothing of the kind, and need not, counts only where nobody has.
    """
    if not answer.answered and not answer.expected:
        return Exit.NOBODY
    answered = answer.by_status.get(Status.ANSWERED.value, 0)
    code = Exit.WELL if answered + answer.without >= answer.expected and answer.ended in _WHOLE else Exit.UNSURE
    if answer.ended is Ended.LIMIT and sum(answer.by_status.values()) == answered:
        code = Exit.WELL  # the asker wanted no more than that
    code = max(code, of_findings(answer.findings), Exit.UNSURE if answer.silent else Exit.WELL)
    kind = answer_type_of(answer.of)
    for declared in measured(kind).fields if kind is not None else ():
        if isinstance(declared.mark, Ranked) and declared.path in answer.fields:
            verdicts = answer.fields[declared.path].counts
            code = max(code, *(_of_verdict(declared.mark, word) for word in verdicts))
    return code


def of_check(check: Check, fail_on: Severity, *, strict: bool = False) -> Exit:
    """A check: whoever was silent, and every rule that could not judge somebody, was *not judged*.

    Whoever has nothing of the kind to be judged (`NotJudged.not_here`) is told, and does not count.

    Args:
        check: what was said.
        fail_on: the mildest severity that counts.
        strict: whether one that is only too young to be judged was *not judged*, too.
    """
    if not check.expected and not check.findings:
        return Exit.NOBODY
    unsure = check.silent or check.not_asked or check.ended is not Ended.COMPLETE
    if unsure or any(_unsure(one, strict=strict) for one in check.verdicts):
        return Exit.UNSURE
    return of_findings(check.findings, fail_on)


def of_directory(services: Services) -> Exit:
    """The directory: somebody missing was *not judged*; an empty one is *nobody there*."""
    if not services.services:
        return Exit.NOBODY
    if services.missing or _coordinator_missing(services) or services.ended is not Ended.COMPLETE:
        return Exit.UNSURE
    return Exit.FINDINGS if services.problems else Exit.WELL


def _coordinator_missing(services: Services) -> bool:
    """Whether one that should be there is not; a lost one is replaced where as many live as were declared."""
    live = sum(one.state is InstanceState.LIVE for one in services.coordinators)
    return live < (services.coordinators_declared or len(services.coordinators))


def _unsure(one: RuleVerdict, *, strict: bool) -> bool:
    too_young_only = one.again_in_s is not None and one.verdict is not Verdict.BROKEN
    whole = one.verdict in _NO_VERDICT and not one.not_judged
    broken = one.verdict is Verdict.BROKEN
    lacking = broken or whole or any(not missing.not_here for missing in one.not_judged)
    return lacking and (strict or not too_young_only)


def _of_verdict(mark: Ranked, word: str) -> Exit:
    if word == mark.best_first[0] or word in mark.well:
        return Exit.WELL
    return Exit.FINDINGS if word in mark.best_first and word != mark.unknown else Exit.UNSURE


def of_findings(findings: Iterable[Finding], fail_on: Severity = Severity.WARNING) -> Exit:
    """What findings alone mean.

    Args:
        findings: any.
        fail_on: the mildest severity that counts.
    """
    bad = any(finding.severity.rank >= fail_on.rank for finding in findings)
    return Exit.FINDINGS if bad else Exit.WELL
