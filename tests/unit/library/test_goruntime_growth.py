"""By whom a heap grows: profiles are taken only while it does, bounded, and their difference names the function."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import pytest

from diagmesh.adapters.goruntime.growth import GrowthWatch, grows
from diagmesh.errors import PageTooLarge
from diagmesh.goruntime import GoSample
from diagmesh.testing import FakeGo
from support.pprof import made, packed

MIB: Final = 1 << 20
TYPES: Final = (
    *(("alloc_objects", "count"), ("alloc_space", "bytes")),
    *(("inuse_objects", "count"), ("inuse_space", "bytes")),
)


def past(*live_mib: float, pid: int = 7) -> list[GoSample]:
    return [GoSample(at=float(at), pid=pid, heap_live_bytes=int(mib * MIB)) for at, mib in enumerate(live_mib)]


def heap(**mib: int) -> bytes:
    """In use by ``main.NAME``, which appends: the memory is taken by the runtime on its behalf."""
    stacks = [(f"main.main;main.{name}:30;runtime.growslice:9", (1, n * MIB, 1, n * MIB)) for name, n in mib.items()]
    return packed(made(stacks, types=TYPES))


GROWING: Final = past(*range(10, 70, 5))


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (GROWING, True),
        (past(10, 20, 30), False),
        (past(*[10, 11] * 6), False),
        (past(*range(10, 16)), False),
        (past(*range(10, 70, 5), 12), False),
        (past(10, 30, 50, 70, 90, *[91 + at / 10 for at in range(8)]), False),
        ([GoSample(at=float(at)) for at in range(9)], False),
    ],
    ids=["grows", "too few", "wavers", "little", "was released", "a cache has filled", "not told"],
)
def test_what_is_growth(samples: Sequence[GoSample], told: bool) -> None:
    assert grows(samples) is told


class Beside:
    """A watch over samples of the test's, at a pace at which a profile is due at every step."""

    def __init__(self, *profiles: bytes | Exception) -> None:
        self.go = FakeGo({"pprof/heap": list(profiles)})
        self.samples: Sequence[GoSample] = GROWING
        self.watch = GrowthWatch(self.go, lambda _: self.samples, "orders/i1", 0.0)

    async def step(self) -> None:
        self.watch._due = 0.0
        await self.watch.step()


async def test_the_difference_of_two_profiles_names_who_allocates() -> None:
    it = Beside(heap(leak=30, other=50), heap(leak=66, other=54, gone=0))
    await it.step()
    assert it.watch.found is None
    await it.step()
    found = it.watch.found
    assert found is not None
    assert found.grown_bytes == 40 * MIB
    assert [(row.function, row.file, row.line, row.flat_share) for row in found.rows] == [
        ("main.leak", "/src/main.go", 30, 0.9),
        ("main.other", "/src/main.go", 30, 0.1),
    ]


async def test_a_profile_is_not_due_all_the_time() -> None:
    it = Beside(heap(leak=30))
    await it.watch.step()
    await it.watch.step()
    assert it.go.asked == ["pprof/heap"]


async def test_a_heap_that_does_not_grow_is_never_profiled() -> None:
    it = Beside(heap(leak=30))
    it.samples = past(*[30] * 12)
    await it.step()
    assert it.go.asked == []


async def test_chance_is_not_told_and_what_is_known_stays() -> None:
    it = Beside(heap(leak=30), heap(leak=33), heap(leak=38), heap(leak=29))
    await it.step()
    await it.step()
    assert it.watch.found is None
    await it.step()
    known = it.watch.found
    assert known is not None
    assert known.grown_bytes == 8 * MIB
    await it.step()
    assert it.watch.found is known


async def test_another_process_begins_anew() -> None:
    it = Beside(heap(leak=30), heap(leak=60), heap(leak=90))
    await it.step()
    await it.step()
    assert it.watch.found is not None
    it.samples = past(*range(10, 70, 5), pid=8)
    await it.step()
    assert it.watch.found is None


async def test_what_grows_no_more_is_forgotten_in_a_while() -> None:
    it = Beside(heap(leak=30), heap(leak=60))
    await it.step()
    await it.step()
    it.samples = past(*[60] * 12)
    await it.step()
    assert it.watch.found is not None
    it.watch._grew_at -= 100.0
    await it.step()
    assert it.watch.found is None


async def test_a_profile_that_cannot_be_had_or_read_ends_nothing() -> None:
    it = Beside(PageTooLarge("it is large"))
    with pytest.raises(PageTooLarge):
        await it.step()
    for words in (PageTooLarge("it is large"), b"\x1f\x8bno profile"):
        it = Beside(words)
        task = asyncio.create_task(it.watch.run())
        for _ in range(500):
            if len(it.go.asked) > 1:
                break
            await asyncio.sleep(0.01)
        assert not task.done()
        assert it.watch.found is None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
