"""Whom to look at first: seen to be bad comes before unseen, unseen before slightly bad, and well is nobody."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from diagmesh.contract.findings import Severity
from diagmesh.contract.measures import Ranked
from diagmesh.contract.mesh import Silent, Worst
from diagmesh.contract.names import shown
from diagmesh.contract.wire import Problem, Reply, Status

__all__ = ["Verdict", "verdict_rank", "worst_of"]

# One scale for things that are not alike: 100 is seen to be down, 0 is well.
_SEVERITY_RANK: Final = {Severity.CRITICAL: 95, Severity.ERROR: 75, Severity.WARNING: 45, Severity.INFO: 0}
_STATUS_RANK: Final = {Status.FAILED: 70, Status.LATE: 68, Status.UNAVAILABLE: 30, Status.DECLINED: 20}
_SILENT_RANK: Final = 80
_WORST_VERDICT_RANK: Final = 100
_BEST_BAD_VERDICT_RANK: Final = 40


class _Reasoned(msgspec.Struct, gc=False):
    """The field in which an answer says why it judges as it does."""

    reason: str = ""


_reasoned: Final = msgspec.json.Decoder(_Reasoned)


class Verdict(NamedTuple):
    """One declared verdict of one answer."""

    path: str
    mark: Ranked
    value: str


def verdict_rank(mark: Ranked, verdict: str) -> int:
    """Place of a verdict, 0 for the best; one that this version does not know counts as the worst."""
    return mark.best_first.index(verdict) if verdict in mark.best_first else len(mark.best_first)


class _Candidate:
    """The worst thing said by or about one instance."""

    __slots__ = ("rank", "reason", "reply", "severity", "verdict")

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.rank = _STATUS_RANK.get(reply.status, 0)
        self.verdict = ""
        self.severity: Severity | None = None
        self.reason = _problem(reply.problem) if reply.problem is not None else ""

    def judge(self, verdicts: Sequence[Verdict]) -> "_Candidate":
        for path, mark, verdict in verdicts:
            rank = _of_verdict(mark, verdict)
            if rank > self.rank:
                self.rank, self.verdict, self.reason = rank, verdict, f"{path} is {verdict}"
        for finding in self.reply.findings:
            rank = _SEVERITY_RANK[finding.severity]
            if rank > _SEVERITY_RANK[self.severity or Severity.INFO]:
                self.severity = finding.severity
            if rank > self.rank:
                self.rank, self.reason = rank, f"{finding.code} {finding.title}"
        return self


def _problem(problem: Problem) -> str:
    detail = f": {problem.detail}" if problem.detail else ""
    return f"{problem.code} {problem.error}{detail}"


def worst_of(
    replies: Sequence[Reply],
    bad: Mapping[int, Sequence[Verdict]],
    silent: tuple[Silent, ...],
    lacking: Collection[int] = (),
) -> Worst | None:
    """The instance to look at first; None when nothing bad was said and nobody was silent.

    Args:
        replies: all that were counted.
        bad: by place in ``replies``, the verdicts that are not the best there is.
        silent: the expected who were not heard.
        lacking: by place in ``replies``, those who need not have anything of the kind.
    """
    # Nearly everybody is well nearly always, so that is told cheaply.
    ill = [n for n, reply in enumerate(replies) if reply.findings or reply.status is not Status.ANSWERED or n in bad]
    found = [_Candidate(replies[n]).judge(bad.get(n, ())) for n in ill if n not in lacking]
    top = min(found, key=lambda one: (-one.rank, one.reply.service, one.reply.instance), default=None)
    if silent and (top is None or top.rank < _SILENT_RANK):
        first = silent[0]
        return Worst(service=first.service, instance=first.instance, status=Status.SILENT, reason=first.reason)
    if top is None or top.rank == 0:
        return None
    if top.verdict:
        top.reason += _in_words(top.reply)
    return Worst(
        service=top.reply.service,
        instance=top.reply.instance,
        status=top.reply.status,
        verdict=top.verdict,
        severity=top.severity or "",
        reason=shown(top.reason),
    )


def _in_words(reply: Reply) -> str:
    """What the answer itself gives as the reason of its verdict, if it has such a field."""
    try:
        said = _reasoned.decode(reply.answer) if isinstance(reply.answer, msgspec.Raw) else _Reasoned()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""  # a kind with a field of that name and another meaning
    return f": {said.reason}" if said.reason else ""


def _of_verdict(mark: Ranked, verdict: str) -> int:
    place, last = verdict_rank(mark, verdict), len(mark.best_first) - 1
    if place == 0:
        return 0
    if place >= last:
        return _WORST_VERDICT_RANK
    return _BEST_BAD_VERDICT_RANK + (_WORST_VERDICT_RANK - _BEST_BAD_VERDICT_RANK) * (place - 1) // last
