"""Who waits on whom in a dump: what is known, what is inferred, and what is not concluded; growth over looks."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from diagmesh.adapters.godump.memory import Memory, growth_between
from diagmesh.adapters.godump.report import Report, Shape, answer_of
from diagmesh.adapters.godump.whole import read_dump
from diagmesh.contract.answers.goroutines import Goroutines, HolderWhy, Level, WaitedKind
from support.dumps import dump, holder, locked, parked

SHELF: Final = 0xC000010000
JOURNAL: Final = 0xC000010038
WHEN: Final = datetime(2026, 11, 27, 14, 2, tzinfo=UTC)


def report(*parts: str) -> Report:
    return read_dump([dump(*parts)], Shape()).report


def answer(*parts: str) -> Goroutines:
    return answer_of(report(*parts), Level.FUNCTIONS)


def test_those_who_wait_for_one_lock_and_who_seems_to_hold_it() -> None:
    told = answer(*(locked(number, minutes=number) for number in (11, 12, 13)), holder(9), parked(4))
    first = told.waited[0]
    assert (first.kind, first.address, first.sure, first.waiters) == (WaitedKind.MUTEX, "0xc000010000", True, 3)
    assert first.age is not None
    assert (first.age.min_s, first.age.median_s, first.age.max_s) == (660, 720, 780)
    assert first.frame is not None
    assert first.frame.function == "shop/store.(*Store).Put"
    (seems,) = first.holders
    assert (seems.goroutine, seems.why, seems.state) == (9, HolderWhy.RECEIVER, "chan receive")
    assert (told.waiting, told.oldest_wait_s, told.cycles) == (3, 780, ())


def test_who_was_called_with_the_lock_itself_comes_first() -> None:
    told = answer(locked(11, lock=JOURNAL), holder(8), holder(9, "copy", words=f"0xc000999000, {JOURNAL:#x}"))
    assert [(one.goroutine, one.why) for one in told.waited[0].holders] == [
        (9, HolderWhy.ARGUMENT),
        (8, HolderWhy.RECEIVER),
    ]


def test_a_circle_is_named_with_those_behind_it() -> None:
    told = answer(
        locked(20, "bookThenCount", lock=JOURNAL, line=30, minutes=2),
        locked(21, "countThenBook", lock=SHELF, line=38, minutes=3),
        *(locked(number) for number in (31, 32, 33)),
    )
    (cycle,) = told.cycles
    assert [(step.goroutine, step.waits_for) for step in sorted(cycle.steps, key=lambda step: step.goroutine)] == [
        (20, "0xc000010038"),
        (21, "0xc000010000"),
    ]
    assert (cycle.held_up, cycle.waits_s) == (3, 120)


def test_several_at_one_place_hold_nothing_because_of_it() -> None:
    told = answer(locked(20, "bookThenCount", lock=JOURNAL), *(locked(number) for number in (31, 32, 33)))
    journal = next(one for one in told.waited if one.address == f"{JOURNAL:#x}")
    assert (journal.holders, told.cycles) == ((), ())


def test_one_that_waits_inside_of_two_methods_may_wait_for_itself() -> None:
    inner = locked(20, "Get")
    outer = "shop/store.(*Store).Sum(0xc000010000)\n\t/src/shop/store/store.go:90 +0x5f\ncreated by"
    told = answer(inner.replace("created by", outer), parked(3))
    (cycle,) = told.cycles
    assert [(step.goroutine, step.why) for step in cycle.steps] == [(20, HolderWhy.SELF)]
    assert answer(inner.replace("created by", outer), holder(9)).cycles == ()


def test_another_object_of_the_same_kind_is_another_lock() -> None:
    other = locked(12, lock=0xC000050000).replace("Put(0xc000010000", "Put(0xc000050000")
    told = answer(locked(11), other, holder(9))
    locks = [one for one in told.waited if one.kind is WaitedKind.MUTEX]
    assert [(one.address, [each.goroutine for each in one.holders]) for one in locks] == [
        ("0xc000010000", [9]),
        ("0xc000050000", []),
    ]


READER: Final = """goroutine 4 [sync.RWMutex.RLock]:
sync.runtime_SemacquireRWMutexR({semaphore}, 0x0?, 0x0?)
\t/usr/local/go/src/runtime/sema.go:100 +0x25
sync.(*RWMutex).RLock({words})
\t/usr/local/go/src/sync/rwmutex.go:74 +0x1
shop/store.(*Store).Get(0xc000010000)
\t/src/shop/store/store.go:60 +0x5f
created by main.main in goroutine 1
\t/src/main.go:5 +0x1
"""


@pytest.mark.parametrize(
    ("semaphore", "words", "certain"),
    [
        ("0x0?", "0xc000010000", True),
        ("0xc00001000c?", "...", False),
        ("0xc00001000c", "...", True),
        ("0x0?", "...", False),
    ],
)
def test_a_read_lock_is_known_by_its_semaphore_or_its_object(semaphore: str, words: str, certain: bool) -> None:
    (one,) = answer(READER.format(semaphore=semaphore, words=words)).waited
    assert (one.kind, one.address, one.sure) == (WaitedKind.RWMUTEX, "0xc000010000", certain)


OTHERS: Final = """goroutine 5 [sync.WaitGroup.Wait]:
sync.runtime_SemacquireWaitGroup(0x0?, 0x0?)
\t/usr/local/go/src/runtime/sema.go:110 +0x25
sync.(*WaitGroup).Wait(0xc000070000)
\t/usr/local/go/src/sync/waitgroup.go:118 +0x48
main.main()
\t/src/main.go:9 +0x1

goroutine 6 gp=0xc0 m=nil [chan send]:
runtime.gopark(0x0?, 0x0?, 0x0?, 0x0?, 0x0?)
\t/usr/local/go/src/runtime/proc.go:474 +0xca fp=0x1 sp=0x2 pc=0x3
runtime.chansend(0xc000080000, 0xc000080010, 0x1, 0x0?)
\t/usr/local/go/src/runtime/chan.go:283 +0x1 fp=0x1 sp=0x2 pc=0x3
runtime.chansend1(0x0?, 0x0?)
\t/usr/local/go/src/runtime/chan.go:161 +0x1 fp=0x1 sp=0x2 pc=0x3
main.tell(0xc000080000)
\t/src/main.go:30 +0x1 fp=0x1 sp=0x2 pc=0x3
created by main.main in goroutine 1
\t/src/main.go:5 +0x1
"""


def test_wait_groups_and_channels_where_go_prints_them() -> None:
    told = {one.kind: (one.address, one.state) for one in answer(OTHERS).waited}
    assert told == {
        WaitedKind.WAITGROUP: ("0xc000070000", "sync.WaitGroup.Wait"),
        WaitedKind.CHANNEL: ("0xc000080000", "chan send"),
    }


def test_a_channel_that_is_not_printed_is_told_by_its_place() -> None:
    (one,) = answer(parked(5)).waited
    assert (one.kind, one.address, one.waiters) == (WaitedKind.CHANNEL, "", 5)
    assert one.frame is not None
    assert one.frame.line == 31


def looks(memory: Memory, *numbers: int, step_s: float = 5.0) -> list[tuple[int, int, float, int, int]]:
    """What was said to grow at the last of so many looks, 5 s apart."""
    grown: tuple = ()  # type: ignore[type-arg]  # of what the memory says
    for position, number in enumerate(numbers):
        sites = report(parked(number), holder(9)).sites if number else report(locked(3)).sites
        grown = memory.look(step_s * position, WHEN + timedelta(seconds=step_s * position), sites)
    return [(one.before, one.count, one.per_second, one.rises, one.falls) for one in grown]


def test_growth_is_counted_from_where_it_began() -> None:
    assert looks(Memory(), 10) == []
    assert looks(Memory(), 10, 10, 10) == []
    assert looks(Memory(), 9, 19, 29) == [(10, 30, 2.0, 2, 0)]
    assert looks(Memory(), 9, 9, 9, 19, 29) == [(10, 30, 2.0, 2, 0)]
    assert looks(Memory(), 29, 9, 19) == [(10, 20, 2.0, 1, 1)]
    assert looks(Memory(), 9, 19, 9) == []


def test_looks_are_bounded_in_number_and_time() -> None:
    memory = Memory()
    looks(memory, *([9] * 100), step_s=1.0)
    assert memory.looks == 64
    memory.look(10_000.0, WHEN, report(parked(3)).sites)
    assert (memory.looks, memory.watched_s) == (1, None)


def seen(memory: Memory, at: float, *parts: str) -> Goroutines:
    """What is said of one more look."""
    told = report(*parts)
    waited = memory.waited(at, told.waited, told.waiters)
    return replace(answer_of(told, Level.FUNCTIONS), waited=waited, cycles=memory.cycles(at, told.cycles))


def test_while_nobody_gets_a_lock_the_time_goes_on() -> None:
    memory = Memory()
    assert [one.seen_s for one in seen(memory, 100.0, locked(11), locked(12)).waited] == [None]
    (told,) = seen(memory, 103.0, locked(11), locked(12), locked(13)).waited
    assert (told.seen_s, told.still, told.waiters) == (3.0, 2, 3)
    (told,) = seen(memory, 107.0, locked(11), locked(12), locked(13)).waited
    assert (told.seen_s, told.still) == (7.0, 3)


def test_whoever_got_it_shows_that_it_was_free_meanwhile() -> None:
    memory = Memory()
    seen(memory, 100.0, locked(11), locked(12))
    (told,) = seen(memory, 103.0, locked(12), locked(13)).waited
    assert (told.seen_s, told.still) == (None, 1)
    (told,) = seen(memory, 105.0, locked(12), locked(13)).waited
    assert (told.seen_s, told.still) == (2.0, 2)
    other = locked(12, lock=JOURNAL), locked(13, lock=JOURNAL)
    (told,) = seen(memory, 106.0, *other).waited
    assert (told.seen_s, told.still) == (None, 0)


def test_a_circle_is_as_old_as_the_youngest_of_its_locks() -> None:
    memory = Memory()
    one, other = locked(20, "bookThenCount", lock=JOURNAL, line=30), locked(21, "countThenBook", line=38)
    seen(memory, 100.0, one)
    assert seen(memory, 103.0, one, other).cycles[0].seen_s is None
    assert seen(memory, 107.0, one, other).cycles[0].seen_s == 4.0


def test_a_circle_through_which_somebody_goes_is_none() -> None:
    memory = Memory()
    one, other = locked(20, "bookThenCount", lock=JOURNAL, line=30), locked(21, "countThenBook", line=38)
    seen(memory, 100.0, one, other, locked(30))
    assert seen(memory, 110.0, one, other, locked(31)).cycles[0].seen_s is None


def test_growth_between_two_dumps() -> None:
    (grown,) = growth_between(report(parked(3)).sites, report(parked(13)).sites, 4.0)
    assert (grown.before, grown.count, grown.per_second, grown.waiting) == (3, 13, 2.5, 13)
