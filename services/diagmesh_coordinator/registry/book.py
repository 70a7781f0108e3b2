"""What lies in the bucket as far as we know, what of it must be written anew, and what news means. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from diagmesh.bus.core import Entry
from diagmesh.contract.presence import Heartbeat
from diagmesh.expected import Key
from diagmesh.roster import Known, Roster
from diagmesh.roster.known import heard_first
from diagmesh_coordinator.registry.compare import Stored, Wanted, differs, heard_since, record_of
from diagmesh_coordinator.registry.records import (
    VERSION,
    DeclaredRecord,
    MemberRecord,
    NewerVersion,
    Record,
    State,
    Unreadable,
    declared_key,
    decode,
    member_key,
)

__all__ = ["Book"]

_REFRESH_S: Final = 60.0
"""How old a written last_seen may become: a restart names a loss to the minute, and ten thousand members are 170
writes a second at worst. A loss itself is written at once, with its exact time."""
_REFRESH_SHARE: Final = 0.25
"""Of ``forget_after_s``, where that is short: what is not refreshed expires."""
_ALIKE_S: Final = 1.0
"""Two coordinators hear the same heartbeat at almost the same time; that is no news."""
_PRESUMED_INTERVALS: Final = 1.2
"""Whoever is known from the bucket only has so long to be heard: a heartbeat may be late by its jitter."""
_MOST: Final = 10_000
_MOST_NOTES: Final = 10
_MARGIN_S: Final = 300.0
_PRUNE_S: Final = 30.0
_TICK: Final = timedelta(microseconds=1)


class Book:
    """Compares directory and bucket. Time is passed in: ``now`` monotonic seconds, ``at`` the wall clock.

    Args:
        roster: the directory.
        replicas: per service, how many instances our own settings ask for.
        forget_after_s: how long a lost instance stays expected.
        us: the coordinator that writes.
    """

    def __init__(self, roster: Roster, replicas: dict[str, int], forget_after_s: float, us: str) -> None:
        self._roster = roster
        self._replicas = dict(replicas)
        self._forget_after_s = forget_after_s
        self._refresh_s = min(_REFRESH_S, _REFRESH_SHARE * forget_after_s)
        self._us = us
        self._stored: dict[str, Stored] = {}
        self._ended: dict[str, MemberRecord] = {}
        self._asserted: set[str] = set()
        self._notes: dict[str, str] = {}
        self._pruned_at = float("-inf")
        self._left_out = 0
        self._ends_dropped = 0
        self._dropped_at = datetime.min.replace(tzinfo=UTC)
        self.ttl_s: Final = int(forget_after_s + _MARGIN_S) + 1

    # --- what is there

    def clear(self) -> None:
        """All of it is about to be read: nothing else is there."""
        self._stored.clear()
        self._notes.clear()
        self._asserted.clear()

    def missing(self, key: str) -> None:
        """This value is not there any longer (expired or deleted)."""
        self._stored.pop(key, None)

    def written(self, wanted: Wanted, revision: int, now: float) -> None:
        """A value was written."""
        self._stored[wanted.key] = Stored(wanted.record, revision, now)
        self._notes.pop(wanted.key, None)
        self._ended.pop(wanted.key, None)
        if isinstance(wanted.record, DeclaredRecord):
            self._asserted.add(wanted.key)

    def revision(self, key: str) -> int:
        """Of the value that we know; 0 for none."""
        known = self._stored.get(key)
        return known.revision if known is not None else 0

    def take(self, entry: Entry, now: float, at: datetime) -> str:
        """Something was read; returns what is wrong with it, empty when nothing is."""
        known = self._stored.get(entry.key)
        if known is not None and known.revision >= entry.revision:
            return ""
        if not entry.value:
            self.missing(entry.key)
            return ""
        try:
            where, record = decode(entry.key, entry.value)
        except Unreadable as error:
            foreign = isinstance(error, NewerVersion)
            self._stored[entry.key] = Stored(None, entry.revision, now, foreign)
            return self._doubt(entry.key, str(error))
        self._stored[entry.key] = Stored(record, entry.revision, now)
        if isinstance(record, DeclaredRecord):
            return self._take_declared(entry.key, where.service, record)
        self._take_member(entry.key, where, record, now, at)
        return ""

    def _doubt(self, key: str, words: str) -> str:
        news = self._notes.get(key) != words
        if key in self._notes or len(self._notes) < _MOST_NOTES:
            self._notes[key] = words
        return words if news else ""

    def _take_declared(self, key: str, service: str, record: DeclaredRecord) -> str:
        self._roster.declare(service, record.replicas)
        own = self._replicas.get(service)
        if own in (None, record.replicas) or key not in self._asserted:
            return ""
        other = f"coordinator {record.by}" if record.by else "another coordinator"
        return self._doubt(key, f"replicas of {service}: {own} in our settings, {record.replicas} in those of {other}")

    def _take_member(self, key: str, where: Key, record: MemberRecord, now: float, at: datetime) -> None:
        known = self._roster.get(where)
        if record.state != "here":
            self._ended.pop(key, None)
            if known is not None and not heard_since(known, record, now):
                self._roster.drop(where)
        # Our own word of its end that is not written yet stands until we hear it again: which start is the later one,
        # nobody can tell, and whoever does hear it writes that it is here.
        age_s = max(0.0, (at - record.last_seen).total_seconds())
        if record.state == "here" and key not in self._ended and known is None and age_s < self._forget_after_s:
            until = now + _PRESUMED_INTERVALS * record.interval_s
            self._roster.recall(where, record.beat, record.last_seen, now - age_s, until)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is doubtful in the bucket; at most 10."""
        return tuple(self._notes.values())

    @property
    def lacks(self) -> str:
        """What is not written because it is too much, in words; empty when all can be."""
        words = []
        if self._left_out:
            words.append(f"{self._left_out} instances are more than it holds")
        if self._ends_dropped:
            words.append(
                f"that {self._ends_dropped} left or were forgotten could not be remembered until it was written"
                f" ({_MOST} at a time); a coordinator that starts may expect them again"
            )
        return "; ".join(words)

    # --- what should be there

    def left(self, key: Key, known: Known | None, beat: Heartbeat, now: float, at: datetime) -> None:
        """It said goodbye; it may lie there although we do not know it: we have not read yet, perhaps."""
        self.ended(known or heard_first(*key, beat, now, at), "left", at)

    def ended(self, known: Known, state: State, at: datetime, by: str = "") -> None:
        """It has left, or was forgotten: that must be known to whoever starts next."""
        record = record_of(known, at, state=state, by=by)
        key = member_key(known.key)
        if key not in self._ended and len(self._ended) >= _MOST:
            self._ended.pop(next(iter(self._ended)))
            self._ends_dropped, self._dropped_at = self._ends_dropped + 1, at
        self._ended[key] = record

    def _prune(self, now: float) -> None:
        """What was not written for so long has expired there, too."""
        if now - self._pruned_at < _PRUNE_S:
            return
        self._pruned_at = now
        for key, one in list(self._stored.items()):
            if now - one.known_at > self.ttl_s:
                self._stored.pop(key)
                self._notes.pop(key, None)
                if isinstance(one.record, DeclaredRecord):  # nobody's settings ask for it any longer
                    self._roster.declare(key.partition(".")[2], None)

    def wanted(self, now: float, at: datetime) -> Iterator[Wanted | None]:
        """Everything that is to be written, the ends first; None now and then, to let others have a turn."""
        self._prune(now)
        if self._ends_dropped and (at - self._dropped_at).total_seconds() > self.ttl_s:
            self._ends_dropped = 0  # what lies there of them has expired
        yield from self._wanted_ends()
        yield from self._wanted_declarations(now, at)
        room = _MOST - len(self._stored)
        left_out = 0
        for position, known in enumerate(list(self._roster)):
            key = member_key(known.key)
            stored = self._stored.get(key)
            if position % 500 == 499:
                yield None
            if stored is None and room <= 0:
                left_out += 1
            elif self._outdated(known, stored, now):
                room -= stored is None
                yield self._replacing(key, record_of(known, known.last_seen, state="here"))
        self._left_out = left_out

    def _wanted_ends(self) -> Iterator[Wanted]:
        for key, record in list(self._ended.items()):
            known = self._stored.get(key)
            service, instance = key.split(".")[1:]
            back = self._roster.get(Key(service, instance)) is not None
            if back or (known is not None and known.foreign):
                self._ended.pop(key)
            else:
                # Even if nothing lies there: that may have been told by a replica that has just started and lags.
                yield self._replacing(key, record)

    def _wanted_declarations(self, now: float, at: datetime) -> Iterator[Wanted]:
        for service, count in self._replicas.items():
            key = declared_key(service)
            known = self._stored.get(key)
            if known is not None and known.foreign:
                continue
            same = known is not None and isinstance(known.record, DeclaredRecord) and known.record.replicas == count
            fresh = known is not None and now - known.known_at < self._refresh_s
            # Settings that differ are told once by each side; then whoever is due first has the word, not both in turn.
            if not fresh or not (same or key in self._asserted):
                yield self._replacing(key, DeclaredRecord(v=VERSION, observed=at, replicas=count, by=self._us))

    def _outdated(self, known: Known, stored: Stored | None, now: float) -> bool:
        if stored is None or stored.record is None:
            return stored is None or not stored.foreign
        if known.presumed_until is not None:
            return False  # what we know of it is what lies there
        record = stored.record
        if not isinstance(record, MemberRecord) or record.state != "here" or differs(known, record):
            return True
        later_s = (known.last_seen - record.last_seen).total_seconds()
        if known.live(now):
            return now - stored.known_at >= self._refresh_s and abs(later_s) > _ALIKE_S
        return later_s > _ALIKE_S

    def _replacing(self, key: str, record: Record) -> Wanted:
        known = self._stored.get(key)
        if known is None or known.record is None:
            return Wanted(key, record, known.revision if known is not None else 0)
        # Of two records the one observed later holds, and clocks differ.
        observed = max(record.observed, known.record.observed + _TICK)
        return Wanted(key, msgspec.structs.replace(record, observed=observed), known.revision)
