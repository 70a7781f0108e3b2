"""`profile`: which pages it takes, what it tells of them, what it compares, and what it refuses."""

import asyncio
import gzip
import os
import re
import time
from collections.abc import Sequence
from hashlib import sha256

import psutil
import pytest

from diagmesh.contract.answers.profile import Base, Keep, Profile, ProfileQuestion, ProfileType
from diagmesh.contract.wire import Detail
from diagmesh.errors import Busy, Declined, NotConfigured, PageMissing, PageTooLarge, Unavailable
from diagmesh.target import Sighting
from diagmesh.testing import FakeGo, FakeTarget
from diagmesh.workers import current_budget_s
from diagmesh_agents._profiles import Kept
from diagmesh_agents.profile import profile
from support.pprof import made, packed

CPU = packed(made([("main.main;main.hot:7", 900_000_000), ("main.main;runtime.mallocgc", 100_000_000)]))
SPACE = (("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes"))
COUNTING = b"--- mutex:\ncycles/second=2000000000\nsampling period=10\n"
NOT_COUNTING = COUNTING.replace(b"=10", b"=0")


def heap(*stacks: tuple[str, Sequence[int]]) -> bytes:
    return packed(made(stacks, types=SPACE))


HEAP = heap(("main.main;main.keep", [5, 5000, 4, 4000]), ("main.main;main.waste", [9, 9000, 0, 0]))
DELTA = heap(("main.main;main.waste", [7, 7000, 0, 0]))
LOCKS = packed(
    made(
        [("main.work;sync.(*Mutex).Unlock", [3, 2_000_000])], types=(("contentions", "count"), ("delay", "nanoseconds"))
    )
)
PAGES: dict[str, bytes | Exception | list[bytes | Exception]] = {
    "pprof/profile?seconds=1": CPU,
    "pprof/heap": HEAP,
    "pprof/allocs?seconds=1": DELTA,
    "pprof/mutex?seconds=1": LOCKS,
    "pprof/mutex?debug=1": COUNTING,
}


def beside(**pages: bytes | Exception | list[bytes | Exception]) -> FakeTarget:
    return FakeTarget(go=FakeGo({**PAGES, **{f"pprof/{name}": page for name, page in pages.items()}}))


async def asked(target: FakeTarget, **fields: object) -> Profile:
    answer = await profile.look(ProfileQuestion(**fields), target)  # type: ignore[arg-type]  # as the test says
    assert isinstance(answer, Profile)
    return answer


async def test_an_empty_question_surveys_everything_in_one_second() -> None:
    answer = await asked(beside())
    assert [(one.type, one.sample) for one in answer.counted] == [
        ("cpu", "cpu"),
        ("heap", "inuse_space"),
        ("allocs", "alloc_space"),
        ("mutex", "delay"),
    ]
    assert (answer.heap_bytes, answer.alloc_bytes_per_s, answer.mutex_wait) == (4000, 7000.0, 0.002)
    hot, rest = answer.counted[0].rows[:2]
    assert (hot.function, hot.file, hot.line, hot.flat_share) == ("main.hot", "/src/main.go", 7, 0.9)
    assert rest.function == "runtime.mallocgc"
    assert answer.counted[0].blamed[1].function == "main.main", "what the runtime does is the doing of its caller"
    assert answer.counted[3].blamed[0].function == "main.work"
    assert answer.cost is not None
    assert "1 % of what it uses" in answer.cost.words
    assert answer.cost.fetched_bytes == sum(map(len, (CPU, HEAP, DELTA, LOCKS)))
    assert answer.cost.read_rss_bytes > 0
    assert answer.blind == ()


async def test_a_service_that_counts_no_locks_is_blind_and_not_free_of_waiting() -> None:
    answer = await asked(beside(**{"mutex?debug=1": NOT_COUNTING}))
    assert answer.mutex_wait is None
    assert [one.what for one in answer.blind] == ["mutex"]
    assert "SetMutexProfileFraction" in answer.blind[0].fix


async def test_one_type_with_what_was_asked_for() -> None:
    target = beside()
    answer = await asked(target, type=ProfileType.HEAP, sample="alloc_space", peek="waste", top=1, raw=True)
    (one,) = answer.counted
    assert (one.sample, one.total, one.rows[0].function, one.rows_left) == ("alloc_space", 14000, "main.waste", 2)
    assert [(edge.function, edge.value) for edge in one.peeked[0].callers] == [("main.main", 9000)]
    (raw,) = answer.raw
    assert (raw.type, raw.size_bytes, raw.data) == ("heap", len(HEAP), HEAP)
    assert isinstance(target.go, FakeGo)
    assert target.go.asked == ["pprof/heap"]


async def test_focus_and_full_detail() -> None:
    answer = await asked(beside(), type=ProfileType.CPU, focus="hot", detail=Detail.FULL)
    (one,) = answer.counted
    assert one.folded == {"main.main;main.hot": 900_000_000}
    assert [row.function for row in one.rows] == ["main.hot", "main.main"]
    assert [row.line for row in one.lines] == [7, 1]


async def test_a_look_is_compared_with_the_one_before() -> None:
    later = heap(("main.main;main.keep", [50, 50_000, 40, 40_000]))
    target = beside(heap=[HEAP, later])
    with pytest.raises(Declined, match="no previous look at heap") as refusal:
        await asked(target, type=ProfileType.HEAP, base=Base.PREVIOUS)
    assert "ask once more" in refusal.value.hint
    (one,) = (await asked(target, type=ProfileType.HEAP, base=Base.PREVIOUS)).counted
    assert one.base.startswith("previous, ")
    assert (one.total, one.rows[0].function, one.rows[0].flat, one.rows[0].flat_share) == (4000, "main.keep", 36_000, 9)


async def test_what_another_process_did_is_told_as_that() -> None:
    class Restarted(FakeTarget):
        """One of which another process fits each time it is said so."""

        pid = 7

        def sighting(self) -> Sighting:
            return Sighting(looked_for="the test", running=True, pid=self.pid)

    target = Restarted(go=FakeGo(PAGES))
    began = time.monotonic()
    await asked(target, type=ProfileType.HEAP)
    (same,) = (await asked(target, type=ProfileType.HEAP, base=Base.PREVIOUS)).counted
    age = re.fullmatch(r"previous, (\d+) s ago", same.base)  # as long as it takes to start the reader
    assert age is not None
    assert int(age[1]) <= time.monotonic() - began + 1
    target.pid = 8
    (other,) = (await asked(target, type=ProfileType.HEAP, base=Base.PREVIOUS)).counted
    assert re.fullmatch(r"previous, \d+ s ago, of another process", other.base)


@pytest.mark.parametrize(("age_s", "words"), [(0, "0 s"), (119, "119 s"), (685, "11 min"), (7300, "2 h")])
def test_the_age_of_what_is_kept(age_s: float, words: str) -> None:
    assert Kept(b"", time.monotonic() - age_s).age_words() == f"{words} ago"


async def test_a_baseline_stays_until_another_one_is_kept() -> None:
    target = beside(heap=[HEAP, DELTA, HEAP])
    with pytest.raises(Declined, match="no baseline look"):
        await asked(target, type=ProfileType.HEAP, base=Base.BASELINE)
    target = beside(heap=[HEAP, DELTA, HEAP])
    await asked(target, type=ProfileType.HEAP, keep=Keep.BASELINE)
    await asked(target, type=ProfileType.HEAP)
    (one,) = (await asked(target, type=ProfileType.HEAP, base=Base.BASELINE)).counted
    assert one.rows == (), "it is the same as the baseline"


async def test_what_is_too_large_to_keep_is_told() -> None:
    huge = gzip.compress(gzip.decompress(HEAP) + b"".join(b"\x32\x08%8d" % one for one in range(200_000)), 0)
    answer = await asked(beside(heap=huge), type=ProfileType.HEAP)
    assert answer.blind[0].what == "heap: later comparisons"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"sample": "cpu"}, "need a type"),
        ({"base": Base.PREVIOUS}, "need a type"),
        ({"type": ProfileType.HEAP, "seconds": 1, "base": Base.PREVIOUS}, "two ways to compare"),
        ({"type": ProfileType.HEAP, "focus": "("}, "focus is no regular expression"),
        ({"type": ProfileType.HEAP, "sample": "cpu"}, "no sample type 'cpu'"),
    ],
)
async def test_a_wrong_question_is_declined(fields: dict[str, object], why: str) -> None:
    with pytest.raises(Declined, match=why):
        await asked(beside(), **fields)


async def test_seconds_must_fit_into_the_time_of_the_question() -> None:
    current_budget_s.set(3.0)
    with pytest.raises(Declined, match="5 s of sampling do not fit") as refusal:
        await asked(beside(), type=ProfileType.CPU, seconds=5)
    assert "timeout_ms of 7400 or more (--timeout 7.4)" in refusal.value.hint


async def test_what_the_service_does_not_have_is_said() -> None:
    with pytest.raises(NotConfigured):
        await asked(FakeTarget())
    with pytest.raises(PageMissing, match="no profile"):
        await asked(beside(**{"mutex?seconds=1": PageMissing("no profile")}))


async def test_damage_is_told_and_not_taken_for_a_profile() -> None:
    with pytest.raises(Unavailable, match="cut off"):
        await asked(beside(heap=HEAP[:-20]), type=ProfileType.HEAP)


async def test_an_answer_that_no_reply_can_carry_is_refused() -> None:
    deep = ";".join(f"shop/internal/part.{'f' * 60}{level}" for level in range(60))
    many = packed(made((f"{deep};main.leaf{number}", 1) for number in range(4500)))
    with pytest.raises(Declined, match="a reply carries 16") as refusal:
        await asked(beside(**{"profile?seconds=1": many}), type=ProfileType.CPU, detail=Detail.FULL)
    assert refusal.value.code == 413


async def test_one_at_a_time() -> None:
    target = beside()
    assert isinstance(target.go, FakeGo)
    async with target.go.alone("a cpu profile of 5 s"):
        with pytest.raises(Busy, match="a cpu profile of 5 s"):
            await asked(target, type=ProfileType.CPU)


async def test_whoever_stops_waiting_ends_the_reader() -> None:
    long = packed(made([(f"main.{'a' * 80}", 1)]))
    task = asyncio.create_task(asked(beside(**{"profile?seconds=1": long}), type=ProfileType.CPU, focus="(a+)+b"))
    while not (readers := psutil.Process().children()):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    assert not task.done(), "that expression takes ages"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [one for one in readers if one.is_running()]


async def test_whoever_asked_stops_his_look_and_no_other_one() -> None:
    mine, other = "a" * 32, "b" * 32
    target = beside(**{"profile?seconds=1": packed(made([(f"main.{'a' * 80}", 1)]))})
    task = asyncio.create_task(asked(target, type=ProfileType.CPU, focus="(a+)+b", token=mine))
    while not (readers := psutil.Process().children()):
        await asyncio.sleep(0.05)
    with pytest.raises(Declined, match="no look with this token") as refusal:
        await asked(target, stop=other)
    assert (refusal.value.code, task.done()) == (404, False)
    assert (await asked(target, stop=mine)).counted == ()
    with pytest.raises(Declined, match="stopped it") as refusal:
        await task
    assert refusal.value.code == 499
    assert not [one for one in readers if one.is_running()]
    with pytest.raises(Declined, match="no look with this token"):
        await asked(target, stop=mine)
    assert (await asked(target, token=mine, type=ProfileType.HEAP)).counted, "it is as good as new"


@pytest.mark.parametrize("field", ["focus", "ignore", "peek"])
async def test_a_bad_expression_costs_the_service_nothing(field: str) -> None:
    target = beside()
    with pytest.raises(Declined, match=f"{field} is no regular expression"):
        await asked(target, type=ProfileType.CPU, seconds=30, **{field: "("})
    assert isinstance(target.go, FakeGo)
    assert target.go.asked == []


async def test_a_file_that_no_reply_holds_is_kept_and_handed_over_in_pieces() -> None:
    large = gzip.compress(os.urandom(600 << 10), 0)
    target = beside(heap=[large, HEAP])
    answer = await asked(target, type=ProfileType.HEAP, raw=True)
    (raw,) = answer.raw
    assert (raw.data, raw.size_bytes, raw.kept_s, raw.sha256) == (b"", len(large), 300, sha256(large).hexdigest())
    assert answer.counted == ()
    assert [one.what for one in answer.blind] == ["what is counted"], "it is no profile, and handed over nevertheless"
    got = b""
    while len(got) < len(large):
        (piece,) = (await asked(target, file=raw.sha256, offset=len(got))).raw
        assert (piece.offset, piece.size_bytes, len(piece.data) <= 256 << 10) == (len(got), len(large), True)
        got += piece.data
    assert got == large
    (whole,) = (await asked(target, file=raw.sha256, chunks=True)).raw
    assert whole.data == large
    with pytest.raises(Declined, match="none at"):
        await asked(target, file=raw.sha256, offset=len(large))
    with pytest.raises(Declined, match="no file") as other:
        await asked(target, file="0" * 64)
    assert other.value.code == 404
    assert isinstance(target.go, FakeGo)
    assert target.go.asked == ["pprof/heap"], "the service is asked once"
    await asked(target, type=ProfileType.HEAP, raw=True)
    with pytest.raises(Declined, match="no file"):
        await asked(target, file=raw.sha256)


async def test_what_cannot_be_read_is_no_answer_for_who_wants_no_file() -> None:
    with pytest.raises(Unavailable, match="profile"):
        await asked(beside(heap=b"junk"), type=ProfileType.HEAP)
    assert (await asked(beside(heap=b"junk"), type=ProfileType.HEAP, raw=True)).raw[0].data == b"junk"


async def test_whoever_takes_chunks_gets_all_of_it_at_once() -> None:
    large = gzip.compress(os.urandom(600 << 10), 0)
    (raw,) = (await asked(beside(heap=large), type=ProfileType.HEAP, raw=True, chunks=True)).raw
    assert (raw.data, raw.kept_s) == (large, 0)


async def test_what_is_asked_for_again_in_chunks_costs_the_service_nothing_more() -> None:
    many = heap(*((f"main.main;main.f{number}{'x' * 200}", [1, 2, 3, 4]) for number in range(900)))
    target = beside(heap=many)
    first = await asked(target, type=ProfileType.HEAP, detail=Detail.FULL, timeout_ms=9000)
    again = await asked(target, type=ProfileType.HEAP, detail=Detail.FULL, timeout_ms=4000, chunks=True)
    assert isinstance(target.go, FakeGo)
    assert (again, target.go.asked) == (first, ["pprof/heap"])
    await asked(target, type=ProfileType.HEAP, detail=Detail.FULL, chunks=True)
    assert len(target.go.asked) == 2, "once told, it is a new question"
    await asked(target, type=ProfileType.HEAP, detail=Detail.FULL)
    await asked(target, type=ProfileType.HEAP, detail=Detail.FULL, chunks=True, focus="f1")
    assert len(target.go.asked) == 4, "another question is another look"


async def test_what_fits_is_not_told_again() -> None:
    target = beside()
    await asked(target, type=ProfileType.HEAP)
    await asked(target, type=ProfileType.HEAP, chunks=True)
    assert isinstance(target.go, FakeGo)
    assert len(target.go.asked) == 2


@pytest.mark.parametrize(("raw", "says"), [(False, '"raw": true'), (True, "no larger one is taken")])
async def test_a_file_that_is_too_large_is_refused_with_what_can_be_done(raw: bool, says: str) -> None:
    with pytest.raises(PageTooLarge, match="larger than") as refusal:
        await asked(beside(heap=PageTooLarge("heap is larger than that")), type=ProfileType.HEAP, raw=raw)
    assert says in refusal.value.hint
