"""Goroutine dumps: as labelled, in every form of Go 1.21 to 1.27, in pieces of any size, cut, far too long."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.adapters.godump import Goroutine, Origin, Reader, first_own, lines_of, origin_of, package_of
from diagmesh.adapters.godump.grammar import Call, Header, Place, parse_call, parse_created, parse_header, parse_place
from diagmesh.adapters.godump.lines import LONGEST_LINE
from diagmesh.adapters.godump.report import Shape, answer_of
from diagmesh.adapters.godump.whole import read_dump
from diagmesh.contract.answers.goroutines import DumpForm, Goroutines, Group, Level
from diagmesh.contract.answers.stacks import Frame
from diagmesh.errors import Unreadable

DATA: Final = Path(__file__).parents[2] / "data" / "crash"
LABELS: Final[dict[str, Any]] = json.loads((DATA / "labels.json").read_text(encoding="utf-8"))
PARKED: Final = Header(3, "chan receive", 0, locked=False, leaked=False, durable=False, bubble=None)


def goroutines(text: str) -> list[Goroutine]:
    reader = Reader()
    return [one for one in [*map(reader.feed, text.split("\n")), reader.end()] if one is not None]


def answer(text: str | bytes, level: Level = Level.EXACT, **shape: int) -> Goroutines:
    raw = text.encode() if isinstance(text, str) else text
    return answer_of(read_dump([raw], Shape(level=level, **shape)).report, level)


@pytest.mark.parametrize("case", LABELS)
def test_labelled(case: str) -> None:
    label = LABELS[case]
    told = answer((DATA / label["file"]).read_bytes(), groups=500)
    assert told.total == label["goroutines"]
    assert told.states == label["goroutine_states"]
    buckets = [[group.count, group.state, group.frames[0].function] for group in told.groups]
    assert sorted(buckets) == sorted(label["buckets_any_pointer"])
    assert told.cut == ""


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("goroutine 3 [chan receive]:", PARKED),
        ("goroutine 3 gp=0xc00 m=nil [chan receive]:", PARKED),
        ("goroutine 3 gp=0xc00 m=4 mp=0xc01 [chan receive]:", PARKED),
        ("\tgoroutine 3 [chan receive]:", PARKED),
        ("goroutine 3 [chan receive, 12 minutes]:", PARKED._replace(minutes=12)),
        ("goroutine 3 [chan receive, 1 minutes, locked to thread]:", PARKED._replace(minutes=1, locked=True)),
        ("goroutine 3 [chan receive, locked to thread]:", PARKED._replace(locked=True)),
        ("goroutine 3 [chan receive (leaked)]:", PARKED._replace(leaked=True)),
        ("goroutine 3 [chan receive (leaked) (scan), 7 minutes]:", PARKED._replace(leaked=True, minutes=7)),
        ("goroutine 3 [chan receive (durable), synctest bubble 9]:", PARKED._replace(durable=True, bubble=9)),
        ("goroutine 3 [chan receive, synctest group 9]:", PARKED._replace(bubble=9)),
        ("goroutine 3 [chan receive (nil chan)]:", PARKED._replace(state="chan receive (nil chan)")),
        ("goroutine 3 [GOMAXPROCS updater (idle)]:", PARKED._replace(state="GOMAXPROCS updater (idle)")),
        ('goroutine 3 [chan receive labels:{"a": "b"}]:', PARKED),
        ('goroutine 3 [chan receive, 5 minutes labels:{"t": ", 9 minutes]:"}]:', PARKED._replace(minutes=5)),
    ],
)
def test_headers(line: str, header: Header) -> None:
    assert parse_header(line) == header


@pytest.mark.parametrize(
    "line", ["", "goroutine", "goroutine x [running]:", "goroutine 3 [running]", "a goroutine 3 []:"]
)
def test_what_is_no_header(line: str) -> None:
    assert parse_header(line) is None


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("main.main()", Call("main.main", (), inlined=False)),
        ("main.inlined(...)", Call("main.inlined", (), inlined=True)),
        ("main.f(0x1, {0x2?, 0x3}, _)", Call("main.f", ("0x1", "0x2?", "0x3", "_"), inlined=False)),
        ("main.f({{0x1, ...}, ...}, ...)", Call("main.f", ("0x1", "...", "...", "..."), inlined=False)),
        ("a/b.(*T[...]).M(0x1)", Call("a/b.(*T[...]).M", ("0x1",), inlined=False)),
        ("main.main.func1.2()", Call("main.main.func1.2", (), inlined=False)),
        ("main.init.0.gowrap1()", Call("main.init.0.gowrap1", (), inlined=False)),
    ],
)
def test_calls(line: str, call: Call) -> None:
    assert parse_call(line) == call


def test_places_and_creators() -> None:
    assert parse_place("\t/a b/main.go:34 +0x45 fp=0xe4 sp=0xe5 pc=0x68") == Place("/a b/main.go", 34)
    assert parse_place("    C:/src/main.go:3") == Place("C:/src/main.go", 3)
    assert parse_place("main.go:3") is None
    assert parse_created("created by main.main in goroutine 12") == ("main.main", 12)
    assert parse_created("created by main.(*T).Go.func1") == ("main.(*T).Go.func1", None)


FORMS: Final = """goroutine 5 [running]:
\tgoroutine running on other thread; stack unavailable
created by main.main in goroutine 1
\t/src/main.go:4 +0x1

goroutine 6 [select, 2 minutes]:
main.deep(0x1)
\t/src/main.go:9 +0x1
2026/01/01 00:00:00 a line of a log in between
...90 frames elided...
main.start(0x1)
\t/src/main.go:12 +0x1
created by main.main in goroutine 1
\t/src/main.go:5 +0x1
[originating from goroutine 1]:
main.main(...)
\t/src/main.go:5 +0x1
...additional frames elided...

goroutine 7 [syscall, locked to thread]:
non-Go function
\tpc=0x7f0123
runtime.cgocall(0x4, 0x5)
\t/usr/local/go/src/runtime/cgocall.go:157 +0x5c
main._Cfunc_work(0x1)
\t_cgo_gotypes.go:40 +0x1
created by main.main in goroutine 1
\t/src/main.go:6 +0x1
"""


def test_all_that_may_stand_in_a_stack() -> None:
    hidden, deep, c = goroutines(FORMS)
    assert hidden.stack.unavailable
    assert hidden.stack.created_by == Frame(function="main.main", file="/src/main.go", line=4)
    assert [frame.function for frame in deep.stack.frames] == ["main.deep", "main.start"]
    assert (deep.stack.elided, deep.header.minutes) == (90, 2)
    assert [frame.function for frame in c.stack.frames] == ["non-Go function", "runtime.cgocall", "main._Cfunc_work"]
    assert c.header.locked
    assert read_dump([FORMS.encode()], Shape()).foreign_lines == 1


def test_line_ends_of_another_system() -> None:
    assert answer(FORMS.replace("\n", "\r\n")) == answer(FORMS)


def stack(number: int, state: str, line: int, *, function: str = "main.work") -> str:
    body = f"goroutine {number} [{state}]:\n{function}(0xc000{number:06x})\n\t/src/main.go:{line} +0x1\n"
    return f"{body}created by main.main in goroutine 1\n\t/src/main.go:5 +0x1\n"


def test_levels() -> None:
    text = "\n".join([
        stack(2, "select", 10), stack(3, "select", 10), stack(4, "select", 11),
        stack(5, "select", 10).replace("created", "main.other()\n\t/src/main.go:80 +0x1\ncreated"),
        stack(6, "IO wait", 10),
    ])  # fmt: skip

    def counts(level: Level) -> list[tuple[int, int]]:
        return [(group.count, group.stacks) for group in answer(text, level).groups]

    assert counts(Level.EXACT) == [(2, 1), (1, 1), (1, 1), (1, 1)]
    assert counts(Level.FUNCTIONS) == [(3, 2), (1, 1), (1, 1)]
    assert counts(Level.LEAF) == [(4, 3), (1, 1)]


def test_wait_ages_are_exact() -> None:
    text = "\n".join(
        stack(number, f"select, {minutes} minutes", 10) for number, minutes in enumerate([9, 1, 3, 5, 100])
    )
    (group,) = answer(text).groups
    assert group.age is not None
    assert (group.age.min_s, group.age.median_s, group.age.max_s) == (60, 300, 6000)


def test_groups_are_limited_and_the_rest_is_counted() -> None:
    text = "\n".join(stack(number, "select", number) for number in range(2, 32))
    told = answer(text, groups=10)
    assert (len(told.groups), told.groups_left_out, told.goroutines_left_out) == (10, 20, 20)
    assert told.total == 30


COUNTS: Final = b"""goroutine profile: total 5
3 @ 0x43d0 0x44e5 0x1234
# labels: {"tenant":"acme"}
#\t0x44e4\tmain.(*Pool[...]).work+0x24\t\t/src/pool.go:31
#\t0x1233\tmain.main.func1+0x13\t\t\t/src/main.go:9

2 @ 0x43d0
#\t0x43cf\ttime.Sleep+0xf\t/usr/local/go/src/runtime/time.go:300

"""


def test_counts() -> None:
    read = read_dump([COUNTS], Shape())
    assert read.form is DumpForm.COUNTS
    first, second = read.report.groups
    assert (first.count, first.place) == (3, Frame(function="main.(*Pool[...]).work", file="/src/pool.go", line=31))
    assert (second.count, second.place, read.report.total, read.report.cut) == (2, None, 5, "")


def test_counts_that_end_too_early() -> None:
    assert "after 3 of 5 goroutines" in read_dump([COUNTS[: COUNTS.index(b"2 @")]], Shape()).report.cut


def profile(kind: str = "goroutine") -> bytes:
    """As Go writes it: three goroutines at one stack, two at another."""
    from diagmesh.adapters.pprof.profile_pb2 import Profile  # noqa: PLC0415  only here

    strings = [
        "",
        kind,
        "count",
        "main.(*Pool).work",
        "/src/pool.go",
        "time.Sleep",
        "/usr/local/go/src/runtime/time.go",
    ]
    made = Profile(string_table=strings)
    made.sample_type.add(type=1, unit=2)
    for number, (name, file, line) in enumerate([(3, 4, 31), (5, 6, 300)], 1):
        made.function.add(id=number, name=name, filename=file)
        made.location.add(id=number, address=number).line.add(function_id=number, line=line)
    made.sample.add(location_id=[1], value=[3])
    made.sample.add(location_id=[2, 1], value=[2])
    return made.SerializeToString()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_protobuf(pack: Callable[[bytes], bytes]) -> None:
    read = read_dump([pack(profile())], Shape(level=Level.EXACT))
    assert (read.form, read.report.total) == (DumpForm.PROFILE, 5)
    first, second = read.report.groups
    assert (first.count, first.place) == (3, Frame(function="main.(*Pool).work", file="/src/pool.go", line=31))
    assert [frame.function for frame in second.frames] == ["time.Sleep", "main.(*Pool).work"]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_protobuf_in_the_order_in_which_go_writes_it(size: int) -> None:
    data = b"\x5a\x04\x08\x01\x10\x02" + b"\x60\x01" + profile()  # the type of the period, and the period, come first
    read = read_dump([data[at : at + size] for at in range(0, len(data), size)], Shape(level=Level.EXACT))
    assert (read.form, read.report.total) == (DumpForm.PROFILE, 5)


@pytest.mark.parametrize("first", ["\n", "\n\n", "Z\n", "Zulu time\n", "\x1b[0m\n"])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_text_that_begins_oddly_is_a_text(first: str, size: int) -> None:
    data = (first + stack(2, "select", 10)).encode()
    read = read_dump([data[at : at + size] for at in range(0, len(data), size)], Shape())
    assert (read.form, read.report.total) == (DumpForm.STACKS, 1)


def test_protobuf_of_something_else() -> None:
    with pytest.raises(Unreadable, match="a profile of inuse_space"):
        read_dump([profile("inuse_space")], Shape())
    with pytest.raises(Unreadable):
        read_dump([profile()[:-5]], Shape())


def test_a_dump_that_ends_too_early_says_so() -> None:
    text = stack(2, "select", 10) + "\n" + stack(3, "select", 10)
    for end in range(text.index("goroutine 3") + len("goroutine 3 [select]:\n"), len(text) - len(":5 +0x1\n")):
        assert answer(text[:end]).cut == "the dump ends in the middle of goroutine 3"
    assert answer(text).cut == ""


def test_what_has_no_goroutine_is_no_dump() -> None:
    with pytest.raises(Unreadable, match="no goroutine is in it"):
        answer("404 page not found\n")


def endless(total_bytes: int) -> Iterator[bytes]:
    """A dump of goroutines that all differ."""
    sent = number = 0
    while sent < total_bytes:
        number += 1
        piece = (stack(number, "select", number, function=f"main.f{number}") + "\n").encode()
        sent += len(piece)
        yield piece


def test_what_is_kept_is_bounded_however_much_differs() -> None:
    read = read_dump(endless(6_000_000), Shape())
    report = read.report
    assert report.total > 30_000
    assert sum(group.count for group in report.groups) + report.goroutines_left_out == report.total
    assert len(report.sites) <= 256


def test_a_line_without_an_end_is_cut() -> None:
    (line,) = lines_of(b"x" * 70_000 for _ in range(20))
    assert len(line) == LONGEST_LINE


@pytest.mark.parametrize(
    ("function", "file", "origin"),
    [
        ("panic", "/usr/local/go/src/runtime/panic.go", Origin.RUNTIME),
        ("runtime.gopark", "runtime/proc.go", Origin.RUNTIME),
        ("internal/runtime/maps.fatal", "runtime/panic.go", Origin.RUNTIME),
        ("sync.runtime_SemacquireMutex", "/usr/local/go/src/runtime/sema.go", Origin.STANDARD),
        ("net/http.(*conn).serve", "net/http/server.go", Origin.STANDARD),
        ("github.com/nats-io/nats%2ego.(*Conn).readLoop", "/m/nats.go@v1.5/x.go", Origin.DEPENDENCY),
        ("github.com/a/b.F", "/src/vendor/github.com/a/b/b.go", Origin.DEPENDENCY),
        ("main.main", "/usr/local/go/src/runtime/testdata/testprog/main.go", Origin.OWN),
        ("log/shop.F", "/home/me/log/shop/f.go", Origin.OWN),
        ("shop/orders.(*T).M", "shop/orders/t.go", Origin.OWN),
    ],
)  # fmt: skip
def test_whose_code_it_is(function: str, file: str, origin: Origin) -> None:
    assert origin_of(function, file) is origin


def test_own_code_is_preferred_to_that_of_modules() -> None:
    module = Frame(function="github.com/a/b.F", file="/go/pkg/mod/github.com/a/b@v1.0.0/b.go", line=1)
    own = Frame(function="main.f", file="/src/main.go", line=2)
    assert first_own([module, own]) == own
    assert first_own([module]) == module
    assert package_of("a.b/c.(*T).M") == "a.b/c"


FUNCTIONS: Final = st.sampled_from(["main.f", "shop/store.(*Store).Put", "net/http.(*conn).serve", "main.g.func1"])
STATES: Final = st.sampled_from(["running", "select", "chan receive", "sync.Mutex.Lock", "IO wait"])
STACKS: Final = st.lists(st.tuples(FUNCTIONS, st.integers(1, 5)), min_size=1, max_size=4)
DUMPS: Final = st.lists(st.tuples(STATES, st.integers(0, 90), STACKS), min_size=1, max_size=12)


def written(dump: Iterable[tuple[str, int, list[tuple[str, int]]]]) -> bytes:
    parts = []
    for number, (state, minutes, frames) in enumerate(dump, 2):
        waits = f", {minutes} minutes" if minutes and state != "running" else ""
        lines = [f"goroutine {number} [{state}{waits}]:"]
        for function, line in frames:
            lines += [f"{function}(0xc{number:08x}, 0x{line:x}?)", f"\t/src/x.go:{line} +0x{number:x}"]
        parts.append("\n".join([*lines, f"created by main.main in goroutine {number}", "\t/src/main.go:3 +0x1", ""]))
    return "\n".join(parts).encode()


@settings(max_examples=60)
@given(DUMPS, st.integers(1, 40), st.sampled_from(list(Level)))
def test_what_is_written_is_read_whatever_the_pieces(
    dump: list[tuple[str, int, list[tuple[str, int]]]], size: int, level: Level
) -> None:
    raw = written(dump)
    pieces = (raw[at : at + size] for at in range(0, len(raw), size))
    told = answer_of(read_dump(pieces, Shape(level=level, groups=500, members=99)).report, level)
    assert told.total == len(dump)
    assert told.states == Counter(state for state, _, _ in dump)
    assert told.cut == ""
    members = sorted(one.goroutine for group in told.groups for one in group.members)
    assert members == list(range(2, len(dump) + 2))
    if level is Level.EXACT:
        expected = Counter((state, tuple(frames)) for state, _, frames in dump)
        assert Counter({_key(group): group.count for group in told.groups}) == expected


def _key(group: Group) -> tuple[str, tuple[tuple[str, int], ...]]:
    return group.state, tuple((frame.function, frame.line) for frame in group.frames)


@settings(max_examples=100)
@given(st.text(alphabet="goroutine 12[running]:\n\t.(x0,{})? createdby", max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    assert all(one.header.id >= 0 for one in goroutines(text))
