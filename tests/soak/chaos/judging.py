"""Whether every request is explained: by a full answer, or by a fault that hit whom it names, at that time."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from soak.chaos.cluster import COORDINATORS
from soak.chaos.ledger import Ledger
from soak.chaos.records import Asked, Fault, Silence, server_name

__all__ = ["BAD", "FULL", "GRACE_S", "HEDGED", "REMEMBERED", "Judge", "Judgement", "counted"]

HEDGED: Final = True
"""Whether client and CLI ask the other coordinator when one is slow: then one that is well must be enough."""
REMEMBERED: Final = True
"""Whether a coordinator that has just started knows of others than those it hears: then it must name them."""
GRACE_S: Final = 1.0
"""So much later than its budget a request may end, beside the time for which the asker itself was held up."""

FULL: Final = "answered in full"
BAD: Final = ("unexplained", "false", "duplicate", "wrong reason", "hang")
_PARTIAL: Final = "in part: those silent were hit, and named rightly"
_HIT: Final = "in part: those that did not answer were hit"
_REFUSED: Final = "in part: one that was hit refused"
_NEVER_MET: Final = "in part: one not named was hit since the coordinator started"
_DOUBTFUL: Final = "in part, told by a coordinator that had been hit itself"
_WARMING: Final = "told as warming or cut off, by a coordinator just hit"
_OWN: Final = "error: the server of the asker was hit"
_COORDINATOR: Final = "error: a coordinator was hit"
_INSTANCE: Final = "error: the instance asked was hit"
_CUT_OFF: Final = ("warming", "connection lost")
_NOT_LOOKED_UP: Final = "unknown: its connection could not be looked up in time"
_REACHED: Final = re.compile(r"unknown: its server '([^']+)' was reached again only a moment ago")
_NO_ANSWER: Final = re.compile(r"unknown: its server '([^']+)' did not answer")
_UNANSWERED: Final = ("NoAnswer", "NoResponders", "Late", "Unavailable", "BusError")


class Judgement(msgspec.Struct, frozen=True):
    """What a request comes down to.

    Args:
        outcome: the class that it falls into.
        why: what is wrong with it; empty for those that are explained.
    """

    outcome: str
    why: str = ""

    @property
    def bad(self) -> bool:
        """Whether it is not explained."""
        return self.outcome in BAD


class Judge:
    """Explains requests by the ledger.

    Args:
        faults: all of them.
        instances: all names.
        hedged: whether one coordinator that is well must be enough.
        remembered: whether a coordinator knows of others than those it has heard since its start.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        instances: Iterable[str],
        *,
        hedged: bool = HEDGED,
        remembered: bool = REMEMBERED,
    ) -> None:
        self._ledger = Ledger(faults)
        self._instances = frozenset(instances)
        self._hedged = hedged
        self._remembered = remembered

    def judge(self, asked: Asked) -> Judgement:
        """The class of one request."""
        if wrong := self._wrong_anyhow(asked):
            return wrong
        if asked.error:
            return self._error(asked)
        return Judgement(FULL) if asked.how in ("any", "named") else self._sum(asked)

    def _wrong_anyhow(self, asked: Asked) -> Judgement | None:
        if asked.took_s > asked.budget_s + GRACE_S + asked.lag_s:
            return Judgement("hang", f"took {asked.took_s:.2f} s with a budget of {asked.budget_s:g} s")
        twice = [one for one in asked.unexpected if "more than once" in one or "two sidecars" in one]
        if twice:
            return Judgement("duplicate", "; ".join(twice))
        if asked.unexpected:
            return Judgement("unexplained", f"not counted: {'; '.join(asked.unexpected)}")
        dead = [name for name in asked.heard or () if self._ledger.cannot_have_answered(name, asked)]
        if dead:
            return Judgement("false", f"answered for although dead or frozen all the time: {', '.join(dead)}")
        return None

    # --- errors

    def _error(self, asked: Asked) -> Judgement:
        asked_for = self._asked_for(asked)
        if self._ledger.asker_hit(asked):
            return Judgement(_OWN)
        if asked.error == "Problem" and asked.heard and any(self._ledger.near(name, asked) for name in asked_for):
            return Judgement(_REFUSED)  # within a sum: late, say, from one that had just been frozen
        if asked.of_coordinator:
            if asked.error == "NoResponders" and all(self._ledger.cut_off(name, asked) for name in COORDINATORS):
                return Judgement(_COORDINATOR)
            hit = [bool(self._ledger.near(name, asked)) for name in COORDINATORS]
            hedged = self._hedged and asked.how != "nats"  # which asks the queue group once
            fits = asked.error in ("NoAnswer", "Problem", "Late") or asked.by_command
            if fits and (all(hit) if hedged else any(hit)):
                return Judgement(_COORDINATOR)
        else:
            hit = [bool(self._ledger.near(name, asked)) for name in asked_for]
            # A frozen one stays in the queue group; that nobody listens means all of them.
            busy = asked.error == "Declined" and asked.detail.endswith("are in work")  # with what came meanwhile
            if (busy or asked.error in _UNANSWERED) and (all(hit) if asked.error == "NoResponders" else any(hit)):
                return Judgement(_INSTANCE)
        return Judgement("unexplained", f"{asked.error}: {asked.detail}")

    # --- sums

    def _sum(self, asked: Asked) -> Judgement:
        asked_for, silent = self._asked_for(asked), {one.name for one in asked.silent}
        doubtful = self._ledger.teller_hit(asked)
        if strange := (silent | set(asked.heard or ())) - asked_for:
            return Judgement("unexplained", f"nobody of that name: {', '.join(sorted(strange))}")
        wrong = [found for one in asked.silent if (found := self._wrong(one, asked))]
        if wrong and not doubtful:
            return wrong[0]
        if missing := len(asked_for) - asked.answered - len(silent):
            return self._missing(asked, asked_for - silent, missing, doubtful=doubtful)
        gone = [name for name in asked_for - silent if self._ledger.cannot_have_answered(name, asked)]
        if gone:
            return Judgement("false", f"told as complete without naming: {', '.join(sorted(gone))}")
        explained = self._ledger.just_back(asked) or self._ledger.registry_unread(asked)
        if asked.ended in _CUT_OFF and not explained:
            return Judgement("unexplained", f"ended: {asked.ended}")
        whole = _WARMING if asked.ended in _CUT_OFF else FULL
        return Judgement((_DOUBTFUL if wrong else _PARTIAL) if silent else whole)

    def _missing(self, asked: Asked, unnamed: frozenset[str], missing: int, *, doubtful: bool) -> Judgement:
        """Somebody is neither heard nor named."""
        if doubtful:
            return Judgement(_DOUBTFUL if asked.by else _HIT)
        unheard = unnamed - set(asked.heard or ())
        # Where no coordinator did the asking nobody names the silent: those not heard must all have been hit.
        excused = [name for name in unheard if self._excused(name, asked)]
        if len(excused) >= (missing if asked.heard is None else len(unheard)):
            return Judgement(_NEVER_MET if asked.by else _HIT)
        names = ", ".join(sorted(unheard)) if asked.heard is not None else "names not told"
        return Judgement("unexplained", f"{missing} neither answered nor named as silent ({names})")

    def _excused(self, name: str, asked: Asked) -> bool:
        if asked.by:
            unread = asked.ended == "warming" and self._ledger.registry_unread(asked)
            return (unread or not self._remembered) and self._ledger.never_met(name, asked)
        return bool(self._ledger.near(name, asked))

    def _wrong(self, one: Silence, asked: Asked) -> Judgement | None:
        allowed = self._ledger.states(one.name, asked)
        if not allowed:
            return Judgement("unexplained", f"{one.name} was well, but: {one.reason}")
        if one.reason.startswith(_NOT_LOOKED_UP) and self._ledger.not_looked_up(asked):
            return None
        reached = _REACHED.match(one.reason)
        if reached is not None and self._ledger.just_reached(reached[1], asked):
            return None
        silent_server = _NO_ANSWER.match(one.reason)
        if silent_server is not None and self._ledger.near(server_name(silent_server[1]), asked):
            return None  # who was gone before his server was hit was not on it then, but nobody can tell it any more
        if not one.reason.startswith(tuple(allowed)):
            return Judgement("wrong reason", f"{one.name} after {self._ledger.told(one.name, asked)}: {one.reason}")
        return None

    def _asked_for(self, asked: Asked) -> frozenset[str]:
        if asked.instance:
            return frozenset((f"{asked.service}/{asked.instance}",))
        return frozenset(name for name in self._instances if not asked.service or name.startswith(f"{asked.service}/"))


def counted(judgements: Iterable[Judgement]) -> Counter[str]:
    """How many fell into each class."""
    return Counter(one.outcome for one in judgements)
