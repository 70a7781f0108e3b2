"""The Go runtime from its pages: what each tells, put together field by field, and kept as a bounded past."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from diagmesh.adapters.buildinfo import build_of
from diagmesh.adapters.goruntime.birth import Birth, birth_of, parse_limit, parse_percent
from diagmesh.adapters.goruntime.index import fields_of_index
from diagmesh.adapters.goruntime.look import Who, look_of, sample_of
from diagmesh.adapters.goruntime.memstats import fields_of_expvar, fields_of_heap_text
from diagmesh.adapters.goruntime.metrics import fields_of_metrics
from diagmesh.adapters.goruntime.ring import GoRing
from diagmesh.adapters.goruntime.watch import GoWatch
from diagmesh.adapters.procfs import PidDir
from diagmesh.errors import NotGoPage, NotRunning, PageMissing, PageUnreachable
from diagmesh.goruntime import GoSample, Pause
from diagmesh.testing import FakeGo
from fuzz.gopages import executable

MIB: Final = 1 << 20
INDEX: Final = b"<tr><td>31</td><td><a href='goroutine?debug=1'>goroutine</a>"
CLIENT_GOLANG: Final = Path(__file__).parents[2] / "data" / "gopages" / "client_golang-1.23.2.txt"
STATS: Final[dict[str, Any]] = {
    "TotalAlloc": 900 * MIB,
    "Sys": 100 * MIB,
    "HeapAlloc": 30 * MIB,
    "HeapIdle": 20 * MIB,
    "HeapInuse": 40 * MIB,
    "HeapReleased": 10 * MIB,
    "HeapObjects": 5000,
    "Mallocs": 70_000,
    "StackInuse": MIB,
    "NextGC": 61 * MIB,
    "LastGC": 1_800_000_000_000_000_000,
    "PauseNs": [1000, 2000, 3000, *[0] * 253],
    "PauseEnd": [1_799_999_998 * 10**9, 1_799_999_999 * 10**9, 18 * 10**17, *[0] * 253],
    "NumGC": 3,
    "NumForcedGC": 1,
    "PauseTotalNs": 6000,
    "GCCPUFraction": 0.02,
    "EnableGC": True,
}


def expvar(**more: Any) -> bytes:
    return json.dumps({"cmdline": ["x"], "memstats": {**STATS, **more.pop("stats", {})}, **more}).encode()


def heap_text(**changes: Any) -> bytes:
    words = {**STATS, **changes}
    stack = words.pop("StackInuse")
    del words["PauseTotalNs"], words["EnableGC"]
    lines = [f"# {name} = {str(value).replace(',', '')}" for name, value in words.items()]
    return "\n".join(
        ["heap profile: 1: 2 [3: 4] @ heap/1048576", "", "# runtime.MemStats", *lines, f"# Stack = {stack} / 9", ""]
    ).encode()


def test_expvar_tells_the_memory_statistics() -> None:
    fields = fields_of_expvar(expvar(goroutines=31))
    assert (fields["heap_in_use_bytes"], fields["runtime_bytes"], fields["goroutines"]) == (40 * MIB, 90 * MIB, 31)
    assert (fields["gc_cycles"], fields["gc_forced"], fields["gc_paused_s"]) == (3, 1, 6e-6)
    assert fields["pauses"] == (Pause(1.8e9, 3e-6), Pause(1_799_999_999.0, 2e-6), Pause(1_799_999_998.0, 1e-6))


def test_the_pauses_of_a_full_ring_are_the_youngest_first() -> None:
    full = {"PauseNs": list(range(256)), "PauseEnd": [10**9] * 256, "NumGC": 258}
    pauses = fields_of_expvar(expvar(stats=full))["pauses"]
    assert len(pauses) == 256
    assert [round(one.took_s * 1e9) for one in pauses[:3]] == [1, 0, 255]


@pytest.mark.parametrize("goroutines", ["many", None, {"n": 3}, -3, 1.5])
def test_goroutines_that_are_no_count_are_somebody_elses(goroutines: object) -> None:
    assert "goroutines" not in fields_of_expvar(expvar(goroutines=goroutines))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"memstats": 3}', b'{"memstats": {}}', b"<html>", b"[" * 9000])
def test_what_is_no_expvar_says_so(body: bytes) -> None:
    with pytest.raises(NotGoPage, match=r"expvar of \[targets.go\]"):
        fields_of_expvar(body)


def test_the_end_of_a_heap_profile_tells_the_same() -> None:
    told, same = fields_of_expvar(expvar()), fields_of_heap_text(heap_text())
    told["gc_paused_s"] = pytest.approx(told["gc_paused_s"])
    assert same == told


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"heap profile: 1",
        heap_text()[:-900],
        heap_text(NumGC="x"),
        heap_text().replace(b"# Stack = ", b"# Stack = x"),
    ],
)
def test_a_heap_profile_that_was_cut_says_so(body: bytes) -> None:
    with pytest.raises(NotGoPage):
        fields_of_heap_text(body)


def test_metrics_of_client_golang() -> None:
    fields = fields_of_metrics(CLIENT_GOLANG.read_bytes())
    assert (fields["version"], fields["goroutines"], fields["gomaxprocs"]) == ("go1.26.8", 4, 2)
    assert (fields["gogc_percent"], fields["memory_limited"]) == (100, False)
    assert "memory_limit_bytes" not in fields
    assert (fields["gc_cycles"], fields["gc_paused_s"]) == (5, 0.000813166)
    assert (fields["pause_p50_s"], fields["pause_most_s"]) == (0.000136433, 0.000297291)
    assert fields["heap_in_use_bytes"] == 43_474_944
    assert fields["runtime_bytes"] == 54_962_456 - 6_291_456
    assert fields["started_at"] == 1_795_768_386.68


def test_metrics_with_everything_and_of_other_libraries() -> None:
    more = b"go_gc_heap_live_bytes 5e6\ngo_cpu_classes_gc_total_cpu_seconds_total 3\n"
    more += b"go_cpu_classes_gc_mark_idle_cpu_seconds_total 1\ngo_cpu_classes_total_cpu_seconds_total 100\n"
    fields = fields_of_metrics(more + b"go_gc_gomemlimit_bytes 1e8\ngo_gc_gogc_percent 1.8446744073709552e+19\n")
    assert (fields["heap_live_bytes"], fields["gc_cpu_share"]) == (5_000_000, 0.02)
    assert (fields["memory_limit_bytes"], fields["memory_limited"], fields["gogc_percent"]) == (10**8, True, -1)
    other = fields_of_metrics(b'go_goroutine_count 7\ngo_processor_limit 3\ngo_memory_used_bytes{x="y"} 4\n')
    assert (other["goroutines"], other["gomaxprocs"]) == (7, 3)


def test_metrics_of_the_service_itself_are_not_even_read() -> None:
    assert fields_of_metrics(b"# TYPE x gauge\nx{ broken\norders_total 3\n") == {}
    assert fields_of_metrics(b"go_goroutines NaN\n") == {}
    with pytest.raises(NotGoPage):
        fields_of_metrics(b"go_goroutines{ broken\n")


def test_the_index_of_pprof() -> None:
    page = INDEX + b"</td></tr><tr><td>9</td><td><a href='threadcreate?debug=1'>t</a>"
    assert fields_of_index(page) == {
        "goroutines": 31,
        "threads_created": 9,
        "profiles": ("goroutine", "threadcreate"),
    }
    assert fields_of_index(b"<html>something else") == {}


# --- put together


def look(told: dict[str, dict[str, Any]], birth: Birth = Birth()) -> Any:  # noqa: B008  frozen
    return look_of(Who(7, 1_799_999_900.0, birth), told, {})


def test_the_best_source_of_each_field_wins_and_is_named() -> None:
    born = Birth(fields={"gogc_percent": 50, "version": "go1.26"}, sources={"gogc_percent": "environment"})
    seen = look({"metrics": {"goroutines": 5, "gogc_percent": 200}, "pprof index": {"goroutines": 6}}, born)
    assert (seen.goroutines, seen.gogc_percent, seen.version) == (5, 200, "go1.26")
    assert seen.sources["goroutines"] == seen.sources["gogc_percent"] == "metrics"


@pytest.mark.parametrize(
    ("fields", "live"),
    [
        ({"gc_target_bytes": 61 * MIB, "stacks_bytes": MIB}, 30 * MIB),
        ({"gc_target_bytes": 61 * MIB, "stacks_bytes": MIB, "gogc_percent": 200}, (61 - 2) * MIB // 3),
        ({"gc_target_bytes": 4 * MIB}, None),
        ({"gc_target_bytes": 61 * MIB, "gogc_percent": -1}, None),
        ({"gc_target_bytes": (1 << 63) - 1}, None),
        ({"gc_target_bytes": 61 * MIB, "runtime_bytes": 90, "memory_limit_bytes": 100}, None),
        ({"gc_target_bytes": 60 * MIB, "runtime_bytes": 20, "memory_limit_bytes": 100}, 30 * MIB),
        ({"gc_target_bytes": 60 * MIB, "heap_live_bytes": 7}, 7),
        ({}, None),
    ],
)
def test_what_survives_a_collection_comes_from_the_next_target(fields: dict[str, Any], live: int | None) -> None:
    assert look({"expvar": fields}).heap_live_bytes == live


def test_a_sample_holds_what_the_collector_used() -> None:
    seen = look({"expvar": {"gc_cpu_share": 0.02, "gc_ended_at": 1_800_000_000.0}})
    assert sample_of(seen).gc_used_s == pytest.approx(2.0)
    assert sample_of(look({"expvar": {"gc_cpu_share": 0.0, "gc_ended_at": 0.0}})).gc_used_s == 0.0
    assert sample_of(look({"expvar": {}})).gc_used_s is None


def test_the_ring_forgets_another_process() -> None:
    ring = GoRing(capacity=3)
    for number in range(5):
        ring.add(GoSample(at=float(number), pid=1, allocated_bytes=number))
    ring.add(GoSample(at=1.0, pid=1, allocated_bytes=9))  # late: dropped
    assert [one.at for one in ring.samples()] == [2.0, 3.0, 4.0]
    assert [one.at for one in ring.samples(1.0)] == [3.0, 4.0]
    ring.add(GoSample(at=5.0, pid=0, allocated_bytes=5))
    assert len(ring) == 3
    ring.add(GoSample(at=6.0, pid=0, allocated_bytes=1))  # a counter that only grows has fallen
    assert [one.at for one in ring.samples()] == [6.0]
    ring.add(GoSample(at=7.0, pid=2))
    ring.add(GoSample(at=8.0, pid=3))
    assert [one.pid for one in ring.samples()] == [3]


# --- looking


class Beside:
    """A process of the test's making."""

    pid = 7
    identity = (7, 1)
    started_at = datetime.fromtimestamp(1_799_999_900, UTC)

    def birth(self) -> Birth:
        return Birth(fields={"version": "go1.26"}, sources={"version": "build information"})


def gone() -> Beside:
    raise NotRunning("it is not there")


def watch(go: FakeGo, process: Callable[[], Beside] = Beside) -> GoWatch:
    return GoWatch(go, process, "orders/i1", 0.5)


async def test_a_look_takes_every_page_and_the_expensive_one_only_where_it_must() -> None:
    go = FakeGo({"expvar": expvar(), "metrics": b"go_goroutines 32\n", "pprof": INDEX})
    seen = await watch(go).look()
    assert sorted(go.asked) == ["expvar", "metrics", "pprof"]
    assert (seen.goroutines, seen.gc_cycles, seen.version, seen.pid) == (32, 3, "go1.26", 7)
    go = FakeGo({"metrics": CLIENT_GOLANG.read_bytes(), "pprof": INDEX, "pprof/heap?debug=1": heap_text()})
    seen = await watch(go).look()
    assert (seen.goroutines, seen.gc_cycles, seen.gc_cpu_share, len(seen.pauses)) == (4, 5, 0.02, 3)


async def test_what_one_page_does_not_tell_is_blind_and_the_rest_is_told() -> None:
    go = FakeGo({"expvar": PageMissing("gone", hint="import it"), "metrics": b"go_goroutines 32\n"})
    seen = await watch(go, gone).look()
    assert (seen.goroutines, seen.pid) == (32, 0)
    assert [(one.what, one.why, one.fix) for one in seen.blind] == [("Go page expvar", "gone", "import it")]
    with pytest.raises(PageUnreachable):
        await watch(FakeGo({"expvar": PageUnreachable("refused"), "metrics": PageMissing("gone")})).look()


async def test_looks_at_the_same_time_are_one_and_a_young_one_is_told_again() -> None:
    go = FakeGo({"expvar": expvar()})
    one = watch(go)
    first, second = await asyncio.gather(one.look(), one.look())
    assert first is second is await one.look()
    assert go.asked == ["expvar"]


async def test_the_past_takes_as_few_pages_as_it_can() -> None:
    full = FakeGo({"expvar": expvar(goroutines=3), "metrics": b"go_goroutines 3\n", "pprof": INDEX})
    bare = FakeGo({"pprof": INDEX, "pprof/heap?debug=1": heap_text()})
    for go, asked in ((full, ["expvar"]), (bare, ["pprof", "pprof/heap?debug=1"])):
        one = watch(go)
        task = asyncio.create_task(one.run())
        while not one.samples():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert go.asked[: len(asked)] == asked
        assert one.samples()[0].heap_live_bytes == 30 * MIB


async def test_pages_that_fail_do_not_end_the_watch() -> None:
    go = FakeGo({"expvar": [PageUnreachable("not yet"), RuntimeError("on purpose"), expvar()]})
    one = watch(go)
    task = asyncio.create_task(one.run())
    try:
        async with asyncio.timeout(20):
            while not one.samples():
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_process_that_has_just_begun_may_still_become_another_program() -> None:
    births = []

    class Young(Beside):
        started_at = datetime.now(UTC)

        def birth(self) -> Birth:
            births.append(1)
            return Birth()

    old, young = watch(FakeGo({"expvar": expvar()})), watch(FakeGo({"expvar": expvar()}), Young)
    for one in (old, young):
        await one._cheap()
        await one._cheap()
    assert len(births) == 2


# --- the process


def test_what_an_executable_says_of_its_build(tmp_path: Path) -> None:
    file = tmp_path / "orders"
    long = "".join(f"dep\texample.com/m{number}\tv1.0.{number}\th1:x=\n" for number in range(300))
    for content, modules in (
        (executable(), {"example.com/orders": "(devel)", "a.b/c": "v1.2.3"}),
        (executable(module=long), None),
    ):
        file.write_bytes(content)
        with file.open("rb") as open_file:
            build = build_of(open_file.fileno())
        assert build is not None
        assert build.version == "go1.27.3"
        assert modules is None or (build.modules, build.settings) == (modules, {"-race": "true"})
        assert modules is not None or build.modules["example.com/m299"] == "v1.0.299"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n",
        b"\x7fELF",
        executable()[:-150],
        executable()[:0x28] + b"\xff" * 8 + executable()[0x30:],
        Path(sys.executable).read_bytes(),
    ],
)
def test_what_is_no_go_program_says_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    with file.open("rb") as open_file:
        assert build_of(open_file.fileno()) is None


def test_the_variables_of_a_real_process() -> None:
    variables = {"GOGC": "off", "GOMEMLIMIT": "64MiB", "GOMAXPROCS": "3", "GODEBUG": "x=1", "TOKEN": "s3cret"}
    with subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **variables},
    ) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()  # until then it might be the process before exec
            birth = birth_of(PidDir(child.pid))
        finally:
            child.kill()
    assert birth.fields == {
        "gogc_percent": -1,
        "memory_limited": True,
        "memory_limit_bytes": 64 * MIB,
        "gomaxprocs": 3,
        "godebug": "x=1",
    }
    assert "s3cret" not in repr(birth)
    assert birth.sources["gogc_percent"] == "environment"


def test_without_variables_they_are_what_go_takes() -> None:
    birth = birth_of(PidDir(os.getpid()))
    assert birth.fields == {"gogc_percent": 100, "memory_limited": False}
    assert set(birth.sources.values()) == {"default of Go"}


@pytest.mark.parametrize(
    ("text", "percent", "limit"),
    [
        ("off", -1, 1 << 62),
        ("100", 100, 100),
        ("-5", -1, None),
        ("64MiB", None, 64 * MIB),
        ("2GiB", None, 2 << 30),
        ("7B", None, 7),
        ("64MB", None, None),
        ("", None, None),
        ("9" * 19 + "TiB", None, 1 << 62),
    ],
)
def test_variables_as_go_reads_them(text: str, percent: int | None, limit: int | None) -> None:
    assert (parse_percent(text), parse_limit(text)) == (percent, limit)
