"""Findings of many replies as one list: one per code, worst first, with everybody who has it, in bounded words."""

from collections.abc import Sequence
from typing import Final

import msgspec

from diagmesh.contract.findings import Advice, Fact, Finding
from diagmesh.contract.names import shown
from diagmesh.contract.wire import Reply

__all__ = ["merge", "where"]

_MOST_EVIDENCE: Final = 20
_MOST_ADVICE: Final = 10
_TITLE_CHARACTERS: Final = 200
_WORD_CHARACTERS: Final = 300
_UNIT_CHARACTERS: Final = 32


def merge(replies: Sequence[Reply]) -> tuple[Finding, ...]:
    """Findings of many replies, one per code, worst first, with everybody who has it.

    An instance is named by where its reply came from, not by what the finding says of itself.
    """
    found: dict[str, list[tuple[Finding, str]]] = {}
    for reply in replies:
        for finding in reply.findings:
            found.setdefault(finding.code, []).append((finding, where(reply)))
    merged = [_one(same) for same in found.values()]
    return tuple(sorted(merged, key=lambda finding: (-finding.severity.rank, finding.code)))


def where(reply: Reply) -> str:
    """Who said it, as sums name it."""
    return f"{reply.service}/{reply.instance}"


def _one(same: list[tuple[Finding, str]]) -> Finding:
    worst, _ = max(same, key=lambda pair: pair[0].severity.rank)
    evidence = [seen for finding, _ in same for seen in finding.evidence]
    kept = evidence[:_MOST_EVIDENCE] if len(same) > 1 else evidence
    return msgspec.structs.replace(
        worst,
        title=shown(worst.title, _TITLE_CHARACTERS),
        instances=tuple(sorted({whose for _, whose in same})),
        evidence=tuple(_evidence(seen) for seen in kept),
        advice=Advice(now=_words(worst.advice.now), soon=_words(worst.advice.soon), later=_words(worst.advice.later)),
    )


def _evidence(seen: Fact) -> Fact:
    value = shown(seen.value, _WORD_CHARACTERS) if isinstance(seen.value, str) else seen.value
    return msgspec.structs.replace(
        seen,
        what=shown(seen.what, _WORD_CHARACTERS),
        value=value,
        unit=shown(seen.unit, _UNIT_CHARACTERS),
        at=shown(seen.at, _UNIT_CHARACTERS * 4),
    )


def _words(advice: Sequence[str]) -> tuple[str, ...]:
    return tuple(shown(one, _WORD_CHARACTERS) for one in advice[:_MOST_ADVICE])
