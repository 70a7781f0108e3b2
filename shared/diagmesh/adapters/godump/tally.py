"""Goroutines added up while they are read: however many there are, what is kept is bounded."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from diagmesh.adapters.godump.grammar import Call
from diagmesh.adapters.godump.origin import first_own
from diagmesh.adapters.godump.reader import Goroutine
from diagmesh.adapters.godump.stack import Stack
from diagmesh.adapters.godump.waits import LOCKS, Object, object_of, spots_of
from diagmesh.contract.answers.goroutines import WaitAge

__all__ = ["Bucket", "Record", "Tally", "WaitedOn", "age_of"]

MOST_BUCKETS: Final = 5000
MOST_OBJECTS: Final = 5000
_MOST_MINUTES: Final = 2000
_MOST_RECORDS: Final = 20_000
_MOST_WAITING_IDS: Final = 2000
_RECORDS_OF_WAITING: Final = 500
_RECORDS_OF_OTHERS: Final = 50
_MOST_CALLS: Final = 200_000
"""Of all records: each holds a whole stack with its words, some hundred bytes a call."""
_MOST_IDS: Final = 200_000
"""Of goroutines that are named in all groups, and as many of those that are in all objects."""


class Bucket:
    """Goroutines in one state at the same places."""

    def __init__(self, state: str, stack: Stack) -> None:
        self.state, self.stack = state, stack
        self.place = first_own(stack.frames)
        self.spots = spots_of(stack)
        self.count = self.locked = self.leaked = self.records = 0
        self.minutes: Counter[int] = Counter()
        self.members: list[tuple[int, int, int]] = []
        """Number, minutes, address."""


class Record(NamedTuple):
    """One goroutine that is looked at more closely: who waits on whom."""

    id: int
    state: str
    minutes: int
    bucket: Bucket
    calls: tuple[Call, ...]
    on: Object | None


class WaitedOn:
    """The goroutines that wait on one object, or at one place."""

    def __init__(self, on: Object) -> None:
        self.on = on
        self.count = 0
        self.minutes: Counter[int] = Counter()
        self.buckets: Counter[Bucket] = Counter()
        self.ids: list[int] = []


class Tally:
    """Takes goroutines one after the other.

    Args:
        most_ids: so many numbers of goroutines are kept of each bucket and object.
        closely: keep what is needed to see who waits on whom.
    """

    def __init__(self, *, most_ids: int = 100, closely: bool = True) -> None:
        self._most_ids, self._closely = most_ids, closely
        self.total = 0
        self.left_out = 0
        """Goroutines beyond the bound of different stacks: counted, not grouped."""
        self.states: Counter[str] = Counter()
        self.buckets: dict[tuple[str, Stack], Bucket] = {}
        self.objects: dict[object, WaitedOn] = {}
        self.records: list[Record] = []
        self._calls = self._members = self._waiting_ids = 0

    def add(self, one: Goroutine) -> None:
        """Count one goroutine. The stacks of the runtime's own threads (number 0) count as well, as Go prints them."""
        header = one.header
        self.total += 1
        self.states[header.state] += 1
        key = (header.state, one.stack)
        bucket = self.buckets.get(key)
        if bucket is None:
            if len(self.buckets) >= MOST_BUCKETS:
                self.left_out += 1
                return
            bucket = self.buckets[key] = Bucket(*key)
        bucket.count += 1
        bucket.locked += header.locked
        bucket.leaked += header.leaked
        _count(bucket.minutes, header.minutes)
        on = object_of(one, bucket.spots)
        if len(bucket.members) < self._most_ids and self._members < _MOST_IDS:
            self._members += 1
            bucket.members.append((header.id, header.minutes, on.address if on else 0))
        if on is not None:
            self._wait(header.id, header.minutes, on, bucket)
        self._record(one, on, bucket)

    def add_counted(self, count: int, stack: Stack) -> None:
        """Count goroutines of which nothing but their stack is known."""
        self.total += count
        key = ("", stack)
        if key not in self.buckets:
            if len(self.buckets) >= MOST_BUCKETS:
                self.left_out += count
                return
            self.buckets[key] = Bucket(*key)
        self.buckets[key].count += count

    def _wait(self, number: int, minutes: int, on: Object, bucket: Bucket) -> None:
        key: object = (on.kind, on.address) if on.address else (on.kind, bucket.state, bucket.place)
        waited = self.objects.get(key)
        if waited is None:
            if len(self.objects) >= MOST_OBJECTS:
                return
            waited = self.objects[key] = WaitedOn(on)
        elif on.sure and not waited.on.sure:
            waited.on = on
        waited.count += 1
        waited.buckets[bucket] += 1
        _count(waited.minutes, minutes)
        if len(waited.ids) < _MOST_WAITING_IDS and self._waiting_ids < _MOST_IDS:
            self._waiting_ids += 1
            waited.ids.append(number)

    def _record(self, one: Goroutine, on: Object | None, bucket: Bucket) -> None:
        if not self._closely or len(self.records) >= _MOST_RECORDS or bucket.place is None:
            return
        most = _RECORDS_OF_WAITING if on is not None and on.kind in LOCKS else _RECORDS_OF_OTHERS
        if bucket.records < most and self._calls < _MOST_CALLS:
            bucket.records += 1
            self._calls += len(one.stack.frames)
            header = one.header
            self.records.append(Record(header.id, header.state, header.minutes, bucket, tuple(one.calls()), on))


def _count(minutes: Counter[int], value: int) -> None:
    minutes[value if value in minutes or len(minutes) < _MOST_MINUTES else max(minutes)] += 1


def age_of(minutes: Iterable[Counter[int]]) -> WaitAge:
    """Least, middle and greatest of the waits, exactly; of an even number the lower middle one."""
    every: Counter[int] = Counter()
    for one in minutes:
        every.update(one)
    middle, seen = (sum(every.values()) - 1) // 2, 0
    for value in sorted(every):
        seen += every[value]
        if seen > middle:
            return WaitAge(min_s=60 * min(every), median_s=60 * value, max_s=60 * max(every))
    return WaitAge(min_s=0, median_s=0, max_s=0)
