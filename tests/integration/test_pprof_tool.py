"""Numbers of profiles agree with ``go tool pprof``, one by one: recorded files, and those of a real Go service."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from diagmesh.adapters.pprof.cut import focused, pruned
from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.merge import difference, merged
from diagmesh.adapters.pprof.profile import Profile
from diagmesh.adapters.pprof.top import By, folded, peeked, table, total
from support.customers import customers
from support.godemo import GoDemo, GoService, build
from support.golang import Go
from support.natsserver import NatsServer
from support.pprof import Tool, Top
from support.programs import Program, wait_until

WAYS: Final = {By.FUNCTION: (), By.LINE: ("-lines",), By.ADDRESS: ("-addresses",)}
LIVE: Final = {
    "cpu": "profile?seconds=2",
    "heap": "heap",
    "allocs": "allocs",
    "mutex": "mutex",
    "block": "block",
    "goroutine": "goroutine",
    "threadcreate": "threadcreate",
    "heap-delta": "heap?seconds=1",
    "allocs-delta": "allocs?seconds=1",
    "mutex-delta": "mutex?seconds=1",
    "goroutine-delta": "goroutine?seconds=1",
}
TYPES: Final = {
    "cpu": ["samples", "cpu"],
    "heap": ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"],
    "allocs": ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"],
    "mutex": ["contentions", "delay"],
    "block": ["contentions", "delay"],
    "goroutine": ["goroutine"],
    "threadcreate": ["threadcreate"],
}


@pytest.fixture(scope="module")
def tool(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    return Tool(go, tmp_path_factory.mktemp("pprof"))


@pytest.fixture(scope="module")
def live(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Every kind of profile of a service that computes, allocates and waits for a lock, and one taken later."""
    folder = tmp_path_factory.mktemp("live")
    with (
        NatsServer(tmp_path_factory.mktemp("nats"), jetstream=True) as server,
        GoDemo(build(go), server.url, tmp_path_factory.mktemp("demo")) as demo,
    ):
        service = demo.service("payments")
        demo.connected(service)
        service.turn("spin", amount=1)
        service.turn("allocate", amount=50)
        service.turn("leak-memory", amount=20, cap=100)
        service.turn("hold-lock", amount=30)
        with Program(customers(service.port), folder):
            wait_until(
                lambda: any(one.values[1] for one in decode(service.fetched("mutex")).samples), 30, "a lock is missed"
            )
            with ThreadPoolExecutor(len(LIVE)) as pool:
                files = dict(zip(LIVE, pool.map(lambda name: _taken(service, name, folder), LIVE), strict=True))
            files["heap-later"] = _taken(service, "heap", folder, "-later")
        yield files


_TRIES: Final = 10
_MAY_BE_EMPTY: Final = ("threadcreate", "goroutine-delta")


def _taken(service: GoService, name: str, folder: Path, suffix: str = "") -> Path:
    file = folder / f"{name}{suffix}.pb.gz"
    for _ in range(_TRIES):
        file.write_bytes(service.fetched(LIVE[name]))
        profile = of(file)
        # In one second a service that gets no CPU does nothing that could be told.
        if any(total(profile, index) for index in range(len(profile.types))) or name in _MAY_BE_EMPTY:
            break
    return file


def of(file: Path) -> Profile:
    return pruned(decode(file.read_bytes()))


def ours(profile: Profile, index: int, by: By = By.FUNCTION, whole: int | None = None) -> Top:
    seen = table(profile, index, by, whole)
    return Top([(str(row.node), row.flat, row.cum) for row in seen.rows], seen.total)


def same(found: Top, told: Top) -> None:
    assert found.rows == told.rows
    # It prints no total where it is that of the rows: nothing was left out and nothing is zero.
    assert told.total in (found.total, 0)


@pytest.mark.parametrize("name", LIVE)
def test_top_of_a_real_service(tool: Tool, live: dict[str, Path], name: str) -> None:
    profile = of(live[name])
    assert [one.type for one in profile.types] == TYPES[name.removesuffix("-delta")]
    for index, one in enumerate(profile.types):
        for by, words in WAYS.items():
            same(ours(profile, index, by), tool.top(live[name], of=one.type, unit=one.unit, more=words))
    counted = [total(profile, index) for index in range(len(profile.types))]
    assert any(counted) or name in _MAY_BE_EMPTY, "there was something to count"


def test_a_delta_has_what_shrank(live: dict[str, Path]) -> None:
    assert live["heap-delta"].read_bytes() != live["heap"].read_bytes()
    assert of(live["heap-delta"]).duration_ns >= 1e9


@pytest.mark.parametrize(("focus", "ignore"), [("compute", ""), ("", r"runtime\."), ("harm", "Spin"), ("nobody", "")])
def test_focus_and_ignore(tool: Tool, live: dict[str, Path], focus: str, ignore: str) -> None:
    profile = of(live["cpu"])
    more = [f"-focus={focus}"] * bool(focus) + [f"-ignore={ignore}"] * bool(ignore)
    told = tool.top(live["cpu"], of="cpu", unit="nanoseconds", more=more)
    same(ours(focused(profile, focus, ignore), 1, whole=total(profile, 1)), told)


def test_a_difference(tool: Tool, live: dict[str, Path]) -> None:
    profile = pruned(difference(decode(live["heap-later"].read_bytes()), decode(live["heap"].read_bytes())))
    for index, one in enumerate(profile.types):
        told = tool.top(live["heap-later"], of=one.type, unit=one.unit, more=[f"-diff_base={live['heap']}"])
        same(ours(profile, index), told)
        assert total(profile, index) == total(of(live["heap"]), index)


def test_what_is_added_up(tool: Tool, live: dict[str, Path]) -> None:
    profile = pruned(merged([decode(live[name].read_bytes()) for name in ("heap", "heap-later", "heap-delta")]))
    for index, one in enumerate(profile.types):
        told = tool.top(live["heap"], live["heap-later"], live["heap-delta"], of=one.type, unit=one.unit)
        same(ours(profile, index), told)


def test_peek(tool: Tool, live: dict[str, Path]) -> None:
    profile = of(live["heap"])
    index = profile.index_of("alloc_space")
    largest = max(table(profile, index).rows, key=lambda row: row.cum).node
    ((_, callers, callees),) = list(peeked(profile, index, {largest}))
    above, below = tool.peek(live["heap"], "alloc_space", "bytes", largest.function)
    assert {str(node): value for node, value in callers.items()} == above
    assert {str(node): value for node, value in callees.items()} == below


def test_folded_stacks_add_up_to_the_total(live: dict[str, Path]) -> None:
    for file in live.values():
        profile = of(file)
        for index in range(len(profile.types)):
            assert sum(folded(profile, index).values()) == sum(value for _, value in profile.values(index))


def recorded(root: Path) -> list[Path]:
    files = sorted((root / "pprof").glob("*.pb.gz"))
    assert len(files) >= 8
    return files


def test_recorded_files_agree_with_what_is_expected(fixtures_root: Path) -> None:
    for file in recorded(fixtures_root):
        expected = json.loads(file.with_name(f"{file.name}.expected.json").read_text())
        raw, profile = decode(file.read_bytes()), of(file)
        assert [list(one) for one in raw.types] == expected["sample_types"]
        assert (len(raw.samples), len(raw.locations)) == (expected["samples"], expected["locations"])
        assert (raw.duration_ns, raw.time_ns, raw.period, raw.default_type) == tuple(
            expected[name] for name in ("duration_nanos", "time_nanos", "period", "default_sample_type")
        )
        numbered = {label.key for one in raw.samples for label in one.labels if not label.text}
        assert numbered == set(expected["num_label_keys"])
        assert [total(profile, at) for at in range(len(raw.types))] == expected["totals"]
        for at, one in enumerate(raw.types):
            for by, key in ((By.FUNCTION, "top_functions"), (By.LINE, "top_lines")):
                assert sorted(map(list, ours(profile, at, by).rows)) == sorted(expected[key][one.type]), file.name
            assert folded(profile, at) == expected["folded"][one.type], file.name


def test_recorded_files_agree_with_the_tool(fixtures_root: Path, tool: Tool) -> None:
    for file in recorded(fixtures_root):
        profile = of(file)
        for at, one in enumerate(profile.types):
            for by, words in WAYS.items():
                same(ours(profile, at, by), tool.top(file, of=one.type, unit=one.unit, more=words))
