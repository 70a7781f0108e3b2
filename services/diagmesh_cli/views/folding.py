"""What could not be judged, folded by the reason: one reason nearly always stands behind many rules."""

import math
from collections.abc import Iterator

import msgspec

from diagmesh.contract.verdicts import Check, NotJudged, RuleVerdict, Verdict

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
        not_here: where there is nothing of the kind to be judged.
    """

    blind: tuple[Folded, ...]
    young: tuple[Folded, ...]
    not_here: tuple[Folded, ...] = ()

    @property
    def wait_s(self) -> int:
        """In how many seconds all of the young can be judged."""
        return math.ceil(max((one.again_in_s for one in self.young), default=0.0))


def folded(check: Check) -> NotSeen:
    """Each reason once, with whom it keeps from being judged by what."""
    blind: dict[str, Folded] = {}
    young: dict[str, Folded] = {}
    not_here: dict[str, Folded] = {}
    for rule in check.verdicts:
        for missing in _missing(rule):
            again_in_s = missing.again_in_s
            kind = not_here if missing.not_here else blind if again_in_s is None else young
            one = kind.setdefault(missing.why, Folded(why=missing.why))
            one.codes[rule.code] = None
            one.instances.update({missing.instance: None} if missing.instance else {})
            one.again_in_s = max(one.again_in_s, again_in_s or 0.0)
    return NotSeen(tuple(blind.values()), tuple(young.values()), tuple(not_here.values()))


def _missing(rule: RuleVerdict) -> Iterator[NotJudged]:
    """Each reason, for which instance, and when to ask again; what is not judged as a whole has no instance."""
    if rule.verdict is Verdict.BROKEN:
        yield NotJudged(instance="", why=f"the rule is broken: {rule.reason}")
    elif rule.verdict is Verdict.BLIND and not rule.not_judged:
        yield NotJudged(instance="", why=rule.reason or "nobody gave what it reads", again_in_s=rule.again_in_s)
    yield from rule.not_judged
