"""What is remembered of earlier looks at one process: creation sites, and who waited for what; bounded."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from diagmesh.adapters.godump.grouping import Site
from diagmesh.contract.answers.goroutines import Cycle, Growth, Waited
from diagmesh.contract.answers.stacks import Frame

__all__ = ["Memory", "growth_between"]

_MOST_LOOKS: Final = 64
_MOST_SITES: Final = 256
_MOST_WAITING: Final = 10_000
_MOST_TOLD: Final = 10
_WINDOW_S: Final = 900.0


class _Look(NamedTuple):
    at: float
    when: datetime
    counts: Mapping[Frame, int]


class Memory:
    """The last looks of a quarter of an hour at one process, 64 at most."""

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque(maxlen=_MOST_LOOKS)
        self._waiting: dict[str, frozenset[int]] = {}
        """By the name of an object: who waits for it."""
        self._stuck: dict[str, float] = {}
        """Since which look nobody who waited has got it."""

    def look(self, at: float, when: datetime, sites: Sequence[Site]) -> tuple[Growth, ...]:
        """Remember a look; returns what grew.

        Args:
            at: monotonic seconds.
            when: the same moment by the clock.
            sites: of this look.
        """
        while self._looks and at - self._looks[0].at > _WINDOW_S:
            self._looks.popleft()
        largest = sorted(sites, key=lambda one: -one.goroutines)[:_MOST_SITES]
        self._looks.append(_Look(at, when, {one.site: one.goroutines for one in largest}))
        found = [grown for one in largest if (grown := self._growth(one)) is not None]
        found.sort(key=lambda one: -one.per_second)
        return tuple(found[:_MOST_TOLD])

    @property
    def looks(self) -> int:
        """How many are remembered."""
        return len(self._looks)

    @property
    def watched_s(self) -> float | None:
        """From the first to the last of them; None with a single one."""
        return round(self._looks[-1].at - self._looks[0].at, 3) if len(self._looks) > 1 else None

    def waited(self, at: float, waited: Sequence[Waited], ids: Sequence[Sequence[int]]) -> tuple[Waited, ...]:
        """The same objects with what is known of those who wait from before.

        Whoever waited at the last look and does so no more has got what he wanted: then the object was free meanwhile,
        however many wait now, and the time counts anew.

        Args:
            at: monotonic seconds, of this look.
            waited: what is waited on.
            ids: who waits on each of them.
        """
        before, since, self._waiting, self._stuck = self._waiting, self._stuck, {}, {}
        told = []
        for one, numbers in zip(waited, ids, strict=True):
            name = _name(one)
            was, now = before.get(name, frozenset()), frozenset(numbers[: _MOST_WAITING - self._kept()])
            whole = len(numbers) >= one.waiters
            got_it = whole and bool(was - now)
            self._stuck[name] = at if got_it or not was else since[name]
            self._waiting[name] = now
            age_s = round(at - self._stuck[name], 3)
            told.append(msgspec.structs.replace(one, still=len(was & now), seen_s=age_s if age_s > 0 else None))
        return tuple(told)

    def _kept(self) -> int:
        return sum(map(len, self._waiting.values()))

    def cycles(self, at: float, cycles: Sequence[Cycle]) -> tuple[Cycle, ...]:
        """The same cycles with the time since when nobody has got any of their locks; after `waited`."""
        return tuple(msgspec.structs.replace(one, seen_s=self._since(at, one)) for one in cycles)

    def _since(self, at: float, cycle: Cycle) -> float | None:
        age_s = round(at - max(self._stuck.get(step.waits_for, at) for step in cycle.steps), 3)
        return age_s if age_s > 0 else None

    def _growth(self, now: Site) -> Growth | None:
        counts = [look.counts.get(now.site, 0) for look in self._looks]
        falls = [later < earlier for earlier, later in pairwise(counts)]
        start = len(falls) - next((back for back, fell in enumerate(reversed(falls)) if fell), len(falls))
        while start + 1 < len(counts) and counts[start + 1] == counts[start]:
            start += 1  # it was as many for a while: growth counts from the last of these looks
        before, last, first = counts[start], self._looks[-1], self._looks[start]
        if now.goroutines <= before:
            return None
        return Growth(
            site=now.site,
            count=now.goroutines,
            before=before,
            over_s=round(last.at - first.at, 3),
            per_second=round((now.goroutines - before) / max(1e-3, last.at - first.at), 4),
            looks=len(counts) - start,
            rises=sum(later > earlier for earlier, later in pairwise(counts[start:])),
            falls=sum(falls),
            waiting=now.waiting,
            place=now.place,
            since=first.when,
        )


def _name(one: Waited) -> str:
    frame = one.frame
    return one.address or (f"{one.kind} at {frame.function}:{frame.line}" if frame else one.kind)


def growth_between(before: Sequence[Site], now: Sequence[Site], over_s: float) -> Iterator[Growth]:
    """What grew from one dump to another, the most first.

    Args:
        before: the sites of the earlier dump.
        now: those of the later one.
        over_s: the time between them; 0 when it is not known, and then so is the rate.
    """
    was = {one.site: one.goroutines for one in before}
    grown = [(one.goroutines - was.get(one.site, 0), one) for one in now]
    for more, one in sorted(grown, key=lambda pair: -pair[0]):
        if more > 0:
            yield Growth(
                site=one.site,
                count=one.goroutines,
                before=one.goroutines - more,
                over_s=over_s,
                per_second=round(more / over_s, 4) if over_s > 0 else 0.0,
                looks=2,
                rises=1,
                waiting=one.waiting,
                place=one.place,
            )
