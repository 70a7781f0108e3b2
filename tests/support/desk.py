"""A coordinator's directory and book on a desk: its clock is turned by the test, its bucket is a dictionary."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from diagmesh.bus.core import Entry
from diagmesh.contract.presence import Heartbeat
from diagmesh.expected import Key
from diagmesh.roster import Known, Roster
from diagmesh_coordinator.registry.book import Book
from diagmesh_coordinator.registry.compare import Wanted
from diagmesh_coordinator.registry.records import encode

__all__ = ["FORGET_AFTER_S", "ORDERS", "START", "Bucket", "Desk"]

START: Final = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
FORGET_AFTER_S: Final = 900.0
ORDERS: Final = Key("orders", "i1")


class Desk:
    """One coordinator's directory and book, under a clock that the test turns; buckets are joined by `share`."""

    def __init__(self, us: str = "c1", *, ahead_s: float = 0.0, **replicas: int) -> None:
        self.roster = Roster(forget_after_s=FORGET_AFTER_S, replicas=replicas)
        self.book = Book(self.roster, replicas, FORGET_AFTER_S, us)
        self.now = 1000.0
        self.ahead_s = ahead_s
        self.revision = 0

    @property
    def at(self) -> datetime:
        return START + timedelta(seconds=self.now - 1000.0 + self.ahead_s)

    def beat(self, key: Key = ORDERS, **more: Any) -> None:
        said = Heartbeat(**{"v": 1, "boot": "b1", "interval_s": 5.0, **more})
        self.roster.hear(key.service, key.instance, said, self.now, self.at)

    def known(self, key: Key = ORDERS) -> Known:
        known = self.roster.get(key)
        assert known is not None
        return known

    def wanted(self) -> list[Wanted]:
        return [one for one in self.book.wanted(self.now, self.at) if one is not None]

    def write(self) -> list[Entry]:
        """Write everything; returns it as others would read it."""
        entries = []
        for one in self.wanted():
            self.revision += 1
            record, value = encode(one.record)
            self.book.written(one._replace(record=record), self.revision, self.now)
            entries.append(Entry(key=one.key, value=value, revision=self.revision))
        return entries

    def take(self, *entries: Entry) -> list[str]:
        self.revision = max(self.revision, *(one.revision for one in entries))
        return [self.book.take(one, self.now, self.at) for one in entries]


class Bucket:
    """What two coordinators share: a value is replaced only by whoever has read the last one."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.revision = 0

    def sync(self, desk: Desk) -> None:
        """One round of a coordinator: read what is new, then write; what is refused is left to its next round."""
        if desk.revision == 0:
            desk.book.clear()
        desk.revision = self.revision
        self._read(desk)
        for wanted in desk.wanted():
            known = self.entries.get(wanted.key)
            if (known.revision if known is not None else 0) != wanted.last:
                continue
            self.revision += 1
            record, value = encode(wanted.record)
            self.entries[wanted.key] = Entry(key=wanted.key, value=value, revision=self.revision)
            desk.book.written(wanted._replace(record=record), self.revision, desk.now)

    def _read(self, desk: Desk) -> None:
        for entry in sorted(self.entries.values(), key=lambda one: one.revision):
            desk.book.take(entry, desk.now, desk.at)
