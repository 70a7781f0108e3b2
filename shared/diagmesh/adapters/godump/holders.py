"""Who seems to hold what others wait for, and circles of that: inferred, each with its reason.

A mutex of Go does not know its holder. What a dump shows is the address of the lock for which somebody waits, and the
words with which the functions on the stacks were called. From that follows, with more or less force:

- a goroutine whose function was called with the lock itself, and which waits for something else, may hold it;
- so may one inside of a method of the object to which the lock belongs: the method, called on the same object, from
  which others wait for it;
- but a mutex has one holder at most, and which locks are held depends on the place in the code: where two goroutines
  are at the same place and wait for the same, neither of them holds another mutex because of that place.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from diagmesh.adapters.godump.grammar import Call
from diagmesh.adapters.godump.origin import Origin, origin_of
from diagmesh.adapters.godump.tally import Record, Tally, WaitedOn
from diagmesh.adapters.godump.waits import LOCKS, number_of
from diagmesh.contract.answers.goroutines import Cycle, CycleStep, Holder, HolderWhy, WaitedKind
from diagmesh.contract.answers.stacks import Frame

__all__ = ["Held", "cycles_of", "held_of"]

_LARGEST_OBJECT: Final = 4096
"""A lock so many bytes behind the beginning of an object is taken to belong to it."""
_OF_LOCKS: Final = ("sync.", "internal/sync.", "runtime.")
_MOST_HOLDERS: Final = 5
_MOST_LOCKS: Final = 200
_MOST_CYCLES: Final = 20
_LONGEST_CYCLE: Final = 8
_ORDER: Final = (HolderWhy.ARGUMENT, HolderWhy.RECEIVER, HolderWhy.SELF)


class Held(NamedTuple):
    """A lock with those who wait for it, and those who seem to hold it, the likeliest first."""

    waited: WaitedOn
    holders: tuple[tuple[Record, Holder], ...]


class _Seen(NamedTuple):
    """Where an address stands among the words of a goroutine."""

    record: Record
    frame: int
    receiver: bool


def held_of(tally: Tally) -> list[Held]:
    """Every lock whose address is known, the most waited for first, with who seems to hold it."""
    locks = [one for one in tally.objects.values() if one.on.kind in LOCKS and one.on.address]
    locks.sort(key=lambda one: -one.count)
    del locks[_MOST_LOCKS:]
    waiting: dict[int, list[Record]] = {}
    for record in tally.records:
        if record.on is not None and record.on.kind in LOCKS:
            waiting.setdefault(record.on.address, []).append(record)
    bases = {lock.on.address: _objects(lock.on.address, waiting.get(lock.on.address, ())) for lock in locks}
    words = _words(tally.records, bases.keys() | frozenset().union(*bases.values()))
    return [Held(lock, _holders(lock, waiting.get(lock.on.address, ()), bases, words)) for lock in locks]


def _words(records: Iterable[Record], wanted: Collection[int]) -> dict[int, list[_Seen]]:
    """Where each of some addresses is seen: of every goroutine the innermost frame that was called with it."""
    found: dict[int, list[_Seen]] = {}
    for record in records:
        mine: set[int] = set()
        for position, call in enumerate(record.calls):
            if position >= len(record.bucket.stack.frames) or call.function.startswith(_OF_LOCKS):
                continue
            for index, word in enumerate(call.arguments):
                address, _ = number_of(word)
                if address > _LARGEST_OBJECT and address in wanted and address not in mine:
                    mine.add(address)
                    found.setdefault(address, []).append(_Seen(record, position, index == 0 and _method(call)))
    return found


def _method(call: Call) -> bool:
    return ".(*" in call.function


def _holders(
    lock: WaitedOn,
    waiting: Sequence[Record],
    objects: Mapping[int, frozenset[int]],
    words: Mapping[int, list[_Seen]],
) -> tuple[tuple[Record, Holder], ...]:
    address = lock.on.address
    bases = objects[address]
    found: dict[int, tuple[Record, Holder]] = {}
    for base in (address, *bases):
        for seen in words.get(base, ()):
            why = HolderWhy.RECEIVER if base in bases and seen.receiver else HolderWhy.ARGUMENT
            if (base == address or why is HolderWhy.RECEIVER) and _may_hold(seen.record, lock):
                found.setdefault(seen.record.id, (seen.record, _holder(seen, why)))
    if not found and lock.on.kind is WaitedKind.MUTEX:
        found = {one.record.id: (one.record, _holder(one, HolderWhy.SELF)) for one in _selves(waiting, bases)}
    ranked = sorted(found.values(), key=lambda one: _rank(*one))
    return tuple(ranked[:_MOST_HOLDERS])


def _objects(address: int, waiting: Iterable[Record]) -> frozenset[int]:
    """The objects to which the lock seems to belong: those on whose methods goroutines wait for it."""
    found = set()
    for record in waiting:
        call = _caller(record)
        if call is not None and _method(call) and call.arguments:
            base, _ = number_of(call.arguments[0])
            if 0 <= address - base < _LARGEST_OBJECT:
                found.add(base)
    return frozenset(found)


def _caller(record: Record) -> Call | None:
    """The function that wants the object: the first one outside of the waiting itself."""
    spots = record.bucket.spots
    position = spots[0].frame + 1 if spots else 0
    return record.calls[position] if position < len(record.calls) else None


def _may_hold(record: Record, lock: WaitedOn) -> bool:
    if record.on is not None and record.on.address == lock.on.address:
        return False
    place = record.bucket.place
    if place is None or origin_of(place.function, place.file) is Origin.STANDARD:
        return False
    # One holder at most, and the place decides: where two are, none of them is it.
    return lock.on.kind is WaitedKind.RWMUTEX or record.bucket.count == 1


def _selves(waiting: Iterable[Record], bases: frozenset[int]) -> Iterator[_Seen]:
    """Those who wait inside of two methods of the object: the outer one may have locked it already."""
    for record in waiting:
        inside = [
            position
            for position, call in enumerate(record.calls)
            if _method(call)
            and not call.function.startswith(_OF_LOCKS)
            and number_of((*call.arguments, "")[0])[0] in bases
        ]
        if len(inside) > 1 and record.bucket.count == 1:
            yield _Seen(record, inside[1], receiver=True)


def _holder(seen: _Seen, why: HolderWhy) -> Holder:
    record = seen.record
    on = record.on
    return Holder(
        goroutine=record.id,
        frame=record.bucket.place or record.bucket.stack.frames[seen.frame],
        why=why,
        state=record.state,
        waits_for=f"{on.address:#x}" if on is not None and on.kind in LOCKS and on.address else "",
        waits_s=60 * record.minutes,
    )


def _rank(record: Record, holder: Holder) -> tuple[int, int, int, int]:
    """The likeliest first: by reason, those who wait for a lock themselves, those who wait longest, the oldest."""
    return _ORDER.index(holder.why), not holder.waits_for, -record.minutes, record.id


def cycles_of(held: Sequence[Held]) -> tuple[Cycle, ...]:
    """Circles of goroutines, each of which waits for a lock that the next one seems to hold."""
    by_address = {one.waited.on.address: one for one in held if one.waited.on.sure}
    found: dict[frozenset[int], Cycle] = {}
    for lock in held:
        for record, _ in lock.holders:
            if len(found) >= _MOST_CYCLES:
                break
            chain = _chain(record, by_address)
            if chain is not None:
                found.setdefault(frozenset(step.goroutine for step in chain), _cycle(chain, by_address))
    return tuple(found.values())


def _chain(record: Record, by_address: Mapping[int, Held]) -> list[CycleStep] | None:
    """The way from one holder to the next until it closes; None where it does not."""
    way: list[tuple[Record, HolderWhy]] = []
    seen: dict[int, int] = {}
    while record.on is not None and record.on.address in by_address and len(way) < _LONGEST_CYCLE:
        if record.id in seen:
            return [_step(one, why) for one, why in way[seen[record.id] :]]
        seen[record.id] = len(way)
        following = by_address[record.on.address].holders
        chosen = next((one for one in following if one[0].on is not None and one[1].waits_for), None)
        if chosen is None:
            return None
        way.append((record, chosen[1].why))
        record = chosen[0]
    return [_step(one, why) for one, why in way[seen[record.id] :]] if record.id in seen else None


def _step(record: Record, why: HolderWhy) -> CycleStep:
    place = record.bucket.place or Frame(function="?")
    address = record.on.address if record.on is not None else 0
    return CycleStep(goroutine=record.id, frame=place, waits_for=f"{address:#x}", why=why)


def _cycle(steps: Sequence[CycleStep], by_address: Mapping[int, Held]) -> Cycle:
    inside = {step.goroutine for step in steps}
    locks = [by_address[int(step.waits_for, 16)] for step in steps]
    waiters = sum(lock.waited.count for lock in locks)
    youngest: Counter[int] = Counter()
    for lock in locks:
        for record, _ in lock.holders:
            if record.id in inside:
                youngest[record.id] = 60 * record.minutes
    return Cycle(
        steps=tuple(steps),
        held_up=max(0, waiters - len(inside)),
        waits_s=min(youngest.values(), default=0),
    )
