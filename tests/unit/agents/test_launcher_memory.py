"""The shared memory: what is in it stays readable whatever is written, and nothing is read that was not written."""

import os
import time
from collections.abc import Iterator
from mmap import mmap
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh_agents._launcher.area import AREA_BYTES, HEAD_BYTES, Area
from diagmesh_agents._launcher.memory import Memory

RING = 256 * 1024
TRACE = b"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\n"


def area() -> Area:
    return Area(mmap(-1, AREA_BYTES), 0)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(1, 70_000)), max_size=40), st.integers())
@settings(max_examples=40, deadline=None)
def test_what_is_kept_is_the_end_of_what_was_said(sizes: list[tuple[int, int]], seed: int) -> None:
    kept, said, random = area(), {1: b"", 2: b""}, Random(seed)  # noqa: S311  just bytes
    for stream, size in sizes:
        data = random.randbytes(size)
        kept.add(stream, data)
        said[stream] += data
    frames = kept.frames()
    assert [frame.at_ns for frame in frames] == sorted(frame.at_ns for frame in frames)
    for stream, everything in said.items():
        assert everything.endswith(b"".join(frame.data for frame in frames if frame.stream == stream))
    total = sum(map(len, said.values()))
    assert sum(len(frame.data) for frame in frames) >= min(total, RING - 40_000)
    assert kept.totals() == (total, 0)
    assert kept.pending(1) + kept.pending(2) == total


@given(
    st.lists(st.integers(1, 60), max_size=12), st.sampled_from([b"", b"log line\n", b"half a line, no panic: here\n"])
)
@settings(deadline=None)
def test_the_beginning_of_a_panic_is_kept_however_it_is_cut(cuts: list[int], before: bytes) -> None:
    kept, said = area(), before + TRACE
    for cut in cuts:
        kept.add(2, said[:cut]) if said[:cut] else None
        said = said[cut:]
    kept.add(2, said + b"goroutine 2 [select]:\n" * 40_000)
    head = kept.head()
    assert len(head.data) == HEAD_BYTES
    assert head.data.startswith(TRACE)
    assert head.at_ns > 0


def test_only_standard_error_and_only_the_beginning_of_a_line_can_be_a_panic() -> None:
    kept = area()
    kept.add(1, TRACE)
    kept.add(2, b"no panic: here\n\tpanic: nested\n")
    assert kept.head() == (0, b"")
    kept.add(2, b"fatal error: one\n")
    kept.add(2, b"panic: two\n")
    assert kept.head().data == b"panic: two\n", "the last one counts"


def test_what_was_given_up_is_neither_pending_nor_passed() -> None:
    kept = area()
    kept.add(1, b"12345")
    kept.passed(1, 2)
    kept.unpassed(1, 3)
    assert (kept.pending(1), kept.totals()) == (0, (5, 3))


@pytest.fixture
def memories() -> Iterator[tuple[Memory, Memory]]:
    descriptor = Memory.create()
    both = Memory(descriptor), Memory(descriptor)
    yield both
    for one in both:
        one.close()
    os.close(descriptor)


def test_the_state_is_told_to_others(memories: tuple[Memory, Memory]) -> None:
    ours, theirs = memories
    assert theirs.state() == {}
    for number in range(5):
        ours.tell({"number": number, "exits": []})
        assert theirs.state() == {"number": number, "exits": []}
    theirs.told = 7
    assert ours.told == 7
    assert ours.begun_at == 0
    theirs.begin()
    assert 0 < ours.begun_at <= time.monotonic()
    ours.of_pump.add(1, b"hello")
    assert [frame.data for frame in theirs.of_pump.frames()] == [b"hello"]


def test_a_state_that_is_too_large_loses_its_last_words_only(memories: tuple[Memory, Memory]) -> None:
    ours, theirs = memories
    ours.tell({"phase": "ended", "exits": [{"number": 1, "last_words": "\0" * 100_000}]})
    assert theirs.state() == {"phase": "ended", "exits": [{"number": 1, "last_words": ""}]}


def test_a_writer_that_stops_half_way_leaves_the_state_before(memories: tuple[Memory, Memory]) -> None:
    ours, theirs = memories
    ours.tell({"number": 1})
    assert theirs.state() == {"number": 1}
    ours.tell({"number": 2})
    ours._memory[4096 + 20] = 0xFF  # what the second telling wrote, spoilt
    assert theirs.state() == {"number": 1}
    ours.tell({"number": 3})
    assert theirs.state() == {"number": 3}
