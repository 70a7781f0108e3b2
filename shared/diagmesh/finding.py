"""One finding out of what a rule found at several instances: who has it, what was seen where, and what to do."""

from collections.abc import Sequence
from typing import Final

import msgspec

from diagmesh.contract.findings import Advice, Finding
from diagmesh.declare import Hit, RuleSpec
from diagmesh.expected import Key, label
from diagmesh.pages import advice_for, unsaid

__all__ = ["finding_of"]

_MOST_FACTS: Final = 20
_MOST_STEPS: Final = 5
"""What depends on what was seen is another line for each instance."""
_MOST_NAMED: Final = 3


def finding_of(one: RuleSpec, hits: Sequence[Hit], advice: Advice) -> Finding:
    """One finding of hits of one severity: who has it, what was seen where, and the advice."""
    first, distinct = hits[0], _distinct(hits)
    facts = [
        msgspec.structs.replace(fact, at=label(hit.where)) if len(distinct) > 1 else fact
        for hit in distinct
        for fact in hit.evidence
    ]
    advice = advice_for(advice, first.where.service, first.where.instance, first.names)
    steps = tuple(dict.fromkeys(line for hit in hits for line in hit.now))[:_MOST_STEPS]
    now = steps + unsaid(advice.now, steps)
    return Finding(
        code=one.code,
        severity=first.severity or one.severity,
        class_=one.issue,
        title=_title(one, hits, distinct),
        instances=tuple(label(hit.where) for hit in hits),
        evidence=tuple(facts[:_MOST_FACTS]),
        advice=Advice(now=now[:_MOST_FACTS], soon=advice.soon, later=advice.later),
    )


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    """One for each thing that they are about: what many see of the same stream is the same."""
    first: dict[str | Key, Hit] = {}
    for hit in hits:
        first.setdefault(hit.same or hit.where, hit)
    return list(first.values())


def _title(one: RuleSpec, hits: Sequence[Hit], distinct: Sequence[Hit]) -> str:
    if len(hits) == 1:
        return hits[0].title
    count = f"{len(hits)} instances"
    if len(distinct) == 1:
        return f"{hits[0].title} ({count})"
    names = list(dict.fromkeys(hit.about for hit in distinct))
    if not all(names):
        return f"{one.title}: {count}"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{one.title}: {', '.join(names[:_MOST_NAMED])}{more} ({count})"
