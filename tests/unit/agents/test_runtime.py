"""runtime: what the looks tell is put together; what they do not tell stays missing, and no pages are a 501."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.cgroup import Bound, CgroupCpu, CgroupMemory
from diagmesh.contract.answers.profile import Row
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.answers.runtime import Known, Runtime, RuntimeQuestion
from diagmesh.contract.wire import Detail
from diagmesh.errors import NotConfigured, PageUnreachable
from diagmesh.goruntime import GoLook, GoSample, HeapGrowth, Pause
from diagmesh.target import Look
from diagmesh.testing import FakeGoRuntime, FakeProcess, FakeTarget
from diagmesh_agents.runtime import runtime

NOW = 1000.0
UNIX = 1_800_000_000.0
MIB = 1 << 20
LOOK = GoLook(
    at=NOW,
    unix_s=UNIX,
    pid=42,
    started_at=UNIX - 100.0,
    version="go1.24.2",
    modules=("example.com/orders",),
    goroutines=40,
    heap_live_bytes=10 * MIB,
    heap_in_use_bytes=20 * MIB,
    runtime_bytes=30 * MIB,
    allocated_bytes=500 * MIB,
    gogc_percent=100,
    memory_limited=False,
    gc_target_bytes=20 * MIB,
    gc_cycles=60,
    gc_ended_at=UNIX - 1.0,
    gc_paused_s=0.06,
    gc_cpu_share=0.03,
    pauses=tuple(Pause(UNIX - 1.0 - number, 0.0001 * (number + 1)) for number in range(60)),
    profiles=("heap", "goroutine"),
    sources={"gc_cycles": "expvar", "version": "build information"},
)
# Nine seconds before, up to the cycle that ended 11 s ago: 2 % of 89 s.
BEFORE = GoSample(
    at=NOW - 10,
    pid=42,
    goroutines=30,
    heap_live_bytes=9 * MIB,
    allocated_bytes=400 * MIB,
    gc_cycles=50,
    gc_paused_s=0.05,
    gc_used_s=0.02 * 89,
    gc_ended_at=UNIX - 11.0,
)


def process(cpus: int = 8, quota: float | None = None, limit: int | None = None) -> FakeProcess:
    bound = Bound.LIMITED if quota else Bound.UNLIMITED
    return FakeProcess(
        look=Look(
            at=NOW,
            pid=42,
            state=ProcessState.SLEEPING,
            started_at=datetime.now(UTC),
            uptime_s=100.0,
            cpu_s=10.0,
            rss_bytes=40 * MIB,
            threads=12,
            allowed_cpus=cpus,
            cgroup_cpu=CgroupCpu(bound=bound, quota_cores=quota),
            cgroup_memory=CgroupMemory(bound=Bound.LIMITED, limit_bytes=limit, headroom_bytes=limit) if limit else None,
        ),
        pid=42,
    )


async def seen(look: GoLook = LOOK, *samples: GoSample, beside: FakeProcess | None = None, **asked: Any) -> Runtime:
    go = FakeGoRuntime(look, samples=samples or (BEFORE,))
    answer = await runtime.look(RuntimeQuestion(**asked), FakeTarget(beside or process(), go_runtime=go))
    assert isinstance(answer, Runtime)
    return answer


async def test_totals_rates_and_shares() -> None:
    answer = await seen()
    assert (answer.version, answer.goroutines, answer.scheduler.threads) == ("go1.24.2", 40, 12)
    assert answer.heap.allocated_bytes_per_s == 10 * MIB
    assert (answer.gc.cycles, answer.gc.cycles_per_s, answer.gc.last_age_s) == (60, 1.0, 1.0)
    assert answer.gc.paused_share == pytest.approx(0.001)
    # 3 % of 99 s less 2 % of 89 s, of the 10 s between both cycles
    assert answer.gc.available_share == pytest.approx((0.03 * 99 - 0.02 * 89) / 10)
    assert answer.gc.cpu_cores == pytest.approx(8 * (0.03 * 99 - 0.02 * 89) / 10, abs=1e-3)
    assert answer.gc.cpu_share is None  # its own use of CPU was not sampled
    assert answer.rates.over_s == 10.0
    assert answer.sources["gc"] == "expvar"
    assert answer.started_at == datetime.fromtimestamp(UNIX - 100, UTC)


async def test_pauses_are_those_of_the_window() -> None:
    pauses = (await seen(window_s=20)).gc.pauses
    assert pauses is not None
    assert (pauses.count, pauses.over_s) == (20, 20.0)
    assert [pauses.p50_ms, pauses.p99_ms, pauses.most_ms] == pytest.approx([1.0, 2.0, 2.0])
    told = replace(LOOK, pauses=(), pause_p50_s=0.0002, pause_most_s=0.003)
    pauses = (await seen(told)).gc.pauses
    assert pauses is not None
    assert (pauses.p50_ms, pauses.p99_ms, pauses.most_ms, pauses.count) == (0.2, None, 3.0, None)


async def test_no_cycle_lately_has_cost_nothing_and_what_is_not_told_is_missing() -> None:
    idle = replace(LOOK, gc_ended_at=BEFORE.gc_ended_at, gc_cycles=50)
    answer = await seen(idle)
    assert (answer.gc.available_share, answer.gc.cycles_per_s) == (0.0, 0.0)
    silent = await seen(GoLook(at=NOW, unix_s=UNIX, pid=42, goroutines=3))
    assert (silent.gc.available_share, silent.gc.cycles_per_s, silent.gc.pauses) == (None, None, None)
    assert (silent.heap.live_bytes, silent.gc.off, silent.memory.limited) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "beside", "procs", "known"),
    [
        ({"gomaxprocs": 5, "sources": {"gomaxprocs": "metrics"}}, process(), 5, Known.TOLD),
        ({"gomaxprocs": 6, "sources": {"gomaxprocs": "environment"}}, process(), 6, Known.ENVIRONMENT),
        ({}, process(8, 2.0), 8, Known.DEFAULT),
        ({"version": "go1.25.1"}, process(8, 2.5), 3, Known.DEFAULT),
        ({"version": "go1.27"}, process(8, 0.5), 2, Known.DEFAULT),
        ({"version": "go1.27"}, process(2, 4.0), 2, Known.DEFAULT),
        ({"version": "go1.27", "godebug": "x=1,containermaxprocs=0"}, process(8, 2.0), 8, Known.DEFAULT),
        ({"version": "go1.27", "build": {"DefaultGODEBUG": "containermaxprocs=0"}}, process(8, 2.0), 8, Known.DEFAULT),
        ({"modules": ("go.uber.org/automaxprocs",)}, process(), None, None),
        ({"version": ""}, process(), None, None),
        ({"modules": ()}, process(), None, None),
    ],
)
async def test_gomaxprocs_is_told_set_or_what_its_go_takes(
    changes: dict[str, Any], beside: FakeProcess, procs: int | None, known: Known | None
) -> None:
    scheduler = (await seen(replace(LOOK, **changes), beside=beside)).scheduler
    assert (scheduler.gomaxprocs, scheduler.known) == (procs, known)


async def test_the_nearest_memory_limit_counts() -> None:
    soft = replace(LOOK, memory_limit_bytes=60 * MIB, memory_limited=True)
    rising = [replace(BEFORE, at=NOW - 10 + number, heap_live_bytes=(9 + number) * MIB) for number in range(10)]
    answer = await seen(soft, *rising, beside=process(limit=1 << 30))
    assert answer.memory.share_of_soft == 0.5
    assert (answer.memory.hard_bytes, answer.memory.headroom_bytes) == (1 << 30, 1 << 30)
    assert answer.heap.trend is not None
    assert answer.heap.trend.to_limit is not None
    assert (answer.heap.trend.to_limit.limit, answer.heap.trend.to_limit.headroom) == ("GOMEMLIMIT", 30 * MIB)
    assert answer.heap.live_most_bytes == 18 * MIB


async def test_the_past_is_told_at_even_distances_and_left_out_when_asked_for_brief() -> None:
    rising = [
        replace(BEFORE, at=NOW - 60 + number, goroutines=number, allocated_bytes=number * MIB) for number in range(60)
    ]
    answer = await seen(LOOK, *rising)
    past = answer.past
    assert past is not None
    assert past.every_s == 2.0
    assert len(past.goroutines) == len(past.allocated_bytes_per_s) == 30
    assert past.goroutines[-1] == 59
    assert past.allocated_bytes_per_s[-1] == MIB
    assert answer.goroutines_trend is not None
    assert answer.goroutines_trend.slope == pytest.approx(1.0)
    brief = await seen(LOOK, *rising, detail=Detail.BRIEF)
    assert (brief.past, brief.heap.trend, brief.goroutines) == (None, None, 40)


async def test_only_a_look_that_is_missing_is_a_gap_in_the_past() -> None:
    quick = [NOW - 50 + number / 2 for number in range(10)]  # the pace at a start
    usual = [NOW - 45 + 5 * number for number in range(9)]
    whole = (await seen(LOOK, *(replace(BEFORE, at=at) for at in (*quick, *usual)))).past
    assert whole is not None
    assert None not in whole.goroutines
    assert whole.every_s * len(whole.goroutines) == pytest.approx(50, abs=7)
    missed = (await seen(LOOK, *(replace(BEFORE, at=at) for at in (*quick, *usual[:2], *usual[6:])))).past
    assert missed is not None
    assert None in missed.goroutines


async def test_the_pages_tell_even_where_the_process_cannot_be_seen() -> None:
    go = FakeGoRuntime(replace(LOOK, pid=0), samples=(replace(BEFORE, pid=0),))
    answer = await runtime.look(RuntimeQuestion(), FakeTarget(go_runtime=go))
    assert isinstance(answer, Runtime)
    assert (answer.goroutines, answer.scheduler.threads, answer.scheduler.gomaxprocs) == (40, None, None)
    assert [one.what for one in answer.blind] == ["process"]


async def test_without_a_past_it_looks_twice() -> None:
    go = FakeGoRuntime(LOOK, replace(LOOK, at=NOW + 0.5, goroutines=41))
    answer = await runtime.look(RuntimeQuestion(), FakeTarget(process(), go_runtime=go))
    assert isinstance(answer, Runtime)
    assert (answer.goroutines, answer.rates.over_s) == (41, None)


async def test_without_pages_it_says_how_to_name_them() -> None:
    with pytest.raises(NotConfigured) as refusal:
        await runtime.look(RuntimeQuestion(), FakeTarget(process()))
    assert (refusal.value.code, refusal.value.error) == (501, "not on this instance")
    for key in ("expvar = ", "metrics = ", "pprof = "):
        assert key in refusal.value.hint


async def test_why_its_pages_cannot_be_had_is_the_refusal() -> None:
    go = FakeGoRuntime(PageUnreachable("http://x/: refused: nothing listens", hint="start it"))
    with pytest.raises(PageUnreachable, match="nothing listens"):
        await asyncio.wait_for(runtime.look(RuntimeQuestion(), FakeTarget(process(), go_runtime=go)), 5)


async def test_who_makes_the_heap_grow_is_told_with_the_past() -> None:
    rows = (Row(function="main.keep", flat=9 * MIB, cum=9 * MIB, flat_share=0.9),)
    growth = HeapGrowth(at=NOW - 4, over_s=30.0, grown_bytes=10 * MIB, rows=rows)
    target = FakeTarget(process=process(), go_runtime=FakeGoRuntime(LOOK, samples=(BEFORE,), growth=growth))
    answer, brief = await runtime.look(RuntimeQuestion(), target), RuntimeQuestion(detail=Detail.BRIEF)
    assert isinstance(answer, Runtime)
    grown = answer.heap.grown
    assert grown is not None
    assert (grown.age_s, grown.over_s, grown.grown_bytes, grown.rows) == (4.0, 30.0, 10 * MIB, rows)
    assert (await runtime.look(brief, target)) == replace(
        answer,
        heap=replace(answer.heap, grown=None, trend=None, live_most_bytes=None),
        past=None,
        goroutines_trend=None,
    )
