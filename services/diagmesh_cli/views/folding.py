"""What could not be judged, folded by the reason: one reason nearly always stands behind many rules."""

import math
from collections.abc import Iterator

import msgspec

from diagmesh.contract.verdicts import Check, RuleVerdict, Verdict

__all__ = ["Folded", "NotSeen", "folded"]


class Folded(msgspec.Struct, kw_only=True):
    """One reason: which rules it keeps from judging, and at which instances (none: everywhere).

    Args:
        why: the reason.
        codes: of the rules, each once.
        instances: each once.
        again_in_s: the longest wait, where time alone helps.
    """

    why: str
    codes: dict[str, None] = msgspec.field(default_factory=dict)
    instances: dict[str, None] = msgspec.field(default_factory=dict)
    again_in_s: float = 0.0


class NotSeen(msgspec.Struct, frozen=True):
    """All reasons of a check.

    Args:
        blind: what stays unseen until somebody does something.
        young: what time alone makes judgeable.
    """

    blind: tuple[Folded, ...]
    young: tuple[Folded, ...]

    @property
    def wait_s(self) -> int:
        """In how many seconds all of the young can be judged."""
        return math.ceil(max((one.again_in_s for one in self.young), default=0.0))


def folded(check: Check) -> NotSeen:
    """Each reason once, with whom it keeps from being judged by what."""
    blind: dict[str, Folded] = {}
    young: dict[str, Folded] = {}
    for rule in check.verdicts:
        for why, instance, again_in_s in _missing(rule):
            one = (blind if again_in_s is None else young).setdefault(why, Folded(why=why))
            one.codes[rule.code] = None
            one.instances.update({instance: None} if instance else {})
            one.again_in_s = max(one.again_in_s, again_in_s or 0.0)
    return NotSeen(tuple(blind.values()), tuple(young.values()))


def _missing(rule: RuleVerdict) -> Iterator[tuple[str, str, float | None]]:
    """Each reason, for which instance, and when to ask again; what is not judged as a whole has no instance."""
    if rule.verdict is Verdict.BROKEN:
        yield f"the rule is broken: {rule.reason}", "", None
    elif rule.verdict is Verdict.BLIND and not rule.not_judged:
        yield rule.reason or "nobody gave what it reads", "", rule.again_in_s
    for one in rule.not_judged:
        yield one.why, one.instance, one.again_in_s
