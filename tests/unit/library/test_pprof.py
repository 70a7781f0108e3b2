"""Profiles: what is read, pruned, focused, added up and taken from each other; nothing damaged is taken for one."""

import gzip
import random
import subprocess
import sys

import pytest

from diagmesh.adapters.pprof.cut import focused, pattern, pruned
from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.gunzip import unpacked
from diagmesh.adapters.pprof.merge import difference, merged
from diagmesh.adapters.pprof.profile import Label, Profile
from diagmesh.adapters.pprof.profile_pb2 import Profile as PbProfile
from diagmesh.adapters.pprof.top import By, folded, labelled, peeked, table, total
from diagmesh.errors import Declined, Unreadable
from support.pprof import made, packed

WORK = [("main.main;main.work;main.hot", 70), ("main.main;main.work", 20), ("main.main;main.idle", 10)]


def read(*stacks: tuple[str, int], drop: str = "", keep: str = "", **more: str) -> Profile:
    return decode(packed(made(stacks, drop=drop, keep=keep, labels=more)))


def rows(profile: Profile, by: By = By.FUNCTION) -> dict[str, tuple[int, int]]:
    return {str(row.node): (row.flat, row.cum) for row in table(profile, 0, by).rows}


def test_flat_is_there_and_cumulative_there_and_below() -> None:
    assert rows(read(*WORK)) == {
        "main.hot": (70, 70),
        "main.work": (20, 90),
        "main.idle": (10, 10),
        "main.main": (0, 100),
    }
    assert str(table(read(*WORK), 0).rows[0].node) == "main.hot"


def test_recursion_counts_once() -> None:
    assert rows(read(("main.f;main.f;main.f", 5))) == {"main.f": (5, 5)}


def test_lines_of_a_function_are_rows_of_their_own() -> None:
    profile = read(("main.main;main.f:10", 3), ("main.main;main.f:20", 4))
    assert rows(profile, By.LINE)["main.f /src/main.go:20"] == (4, 4)
    assert rows(profile)["main.f"] == (7, 7)


def test_what_is_inlined_is_below_whom_it_is_inlined_into() -> None:
    profile = read(("main.main;main.outer:5>main.inner:9", 3))
    assert rows(profile) == {"main.inner": (3, 3), "main.outer": (0, 3), "main.main": (0, 3)}
    assert folded(profile, 0) == {"main.main;main.outer;main.inner": 3}


def test_addresses_stand_for_what_has_no_symbols() -> None:
    raw = made([("main.main;main.f", 3)])
    for location in raw.location:
        location.ClearField("line")
    profile = decode(packed(raw))
    assert folded(profile, 0) == {"0x1002;0x1001": 3}
    assert rows(profile) == {"<unknown>": (3, 3)}
    assert rows(profile, By.ADDRESS)["0000000000001001 <unknown>"] == (3, 3)


@pytest.mark.parametrize(
    ("drop", "keep", "left"),
    [
        (r"main\.malloc", "", {"main.main;main.f": 5}),
        (r"main\..*", r"main\.(main|f)", {"main.main;main.f": 5}),
        ("malloc", "", {"main.main;main.f;main.malloc;main.lock": 5}),  # only a whole name counts
        (r"main\.main", "", {"main.main;main.f;main.malloc;main.lock": 5}),  # nothing wanted stands above it
    ],
)
def test_frames_that_are_nobodys_business_go_with_what_they_call(drop: str, keep: str, left: dict[str, int]) -> None:
    profile = read(("main.main;main.f;main.malloc;main.lock", 5), drop=drop, keep=keep)
    assert folded(pruned(profile), 0) == left


def test_only_the_inlined_part_of_a_place_goes() -> None:
    profile = read(("main.main;main.f:1>main.malloc:2>main.lock:3", 5), drop=r"main\.malloc")
    assert folded(pruned(profile), 0) == {"main.main;main.f": 5}


@pytest.mark.parametrize(
    ("focus", "ignore", "left"),
    [
        ("hot", "", {"main.hot", "main.work", "main.main"}),
        ("", "hot|idle", {"main.work", "main.main"}),
        ("work", "hot", {"main.work", "main.main"}),
        (r"src/main\.go", "", {"main.hot", "main.work", "main.idle", "main.main"}),
        ("nobody", "", set()),
    ],
)
def test_only_the_stacks_that_were_asked_for_stay(focus: str, ignore: str, left: set[str]) -> None:
    assert rows(focused(read(*WORK), focus, ignore)).keys() == left


@pytest.mark.parametrize("given", ["(", "a" * 501, "*"])
def test_a_bad_expression_is_refused_in_words(given: str) -> None:
    with pytest.raises(Declined, match="focus"):
        focused(read(*WORK), given)


def test_peek_tells_who_calls_and_who_is_called() -> None:
    profile = read(*WORK)
    work = {row.node for row in table(profile, 0).rows if row.node.function == "main.work"}
    ((node, callers, callees),) = list(peeked(profile, 0, work))
    assert str(node) == "main.work"
    assert {str(one): value for one, value in callers.items()} == {"main.main": 90}
    assert {str(one): value for one, value in callees.items()} == {"main.hot": 70}


def test_labels_of_samples() -> None:
    raw = made([("main.main", 3)], labels={"tenant": "acme"})
    raw.string_table.extend(["bytes", "kilobytes"])
    raw.sample[0].label.add(key=len(raw.string_table) - 2, num=48, num_unit=len(raw.string_table) - 1)
    profile = decode(packed(raw))
    assert profile.samples[0].labels == (Label("bytes", number=48, unit="kilobytes"), Label("tenant", text="acme"))
    assert labelled(profile, 0) == {"tenant": {"acme": 3}, "bytes": {"48 kilobytes": 3}}


def test_replicas_add_up_wherever_the_program_was_loaded() -> None:
    there = made(WORK)
    there.string_table.append("/bin/orders")
    for raw, start in ((here := made(WORK), 0x1000), (there, 0x9000)):
        raw.mapping.add(id=1, memory_start=start, memory_limit=start + 0x5000, build_id=0)
        for location in raw.location:
            location.mapping_id = 1
            location.address += start
    both = merged([decode(packed(here)), decode(packed(there))])
    assert rows(both)["main.hot"] == (140, 140)
    assert len(both.samples) == len(WORK)
    assert merged([both]) is both


def test_a_difference_tells_what_grew_and_what_shrank() -> None:
    before = read(("main.main;main.a", 50), ("main.main;main.b", 50), ("main.main;main.same", 7))
    after = read(("main.main;main.a", 90), ("main.main;main.c", 10), ("main.main;main.same", 7))
    changed = difference(after, before)
    assert rows(changed) == {"main.a": (40, 40), "main.b": (-50, -50), "main.c": (10, 10)}
    assert total(changed, 0) == 107, "a share is one of the base"


def test_the_same_twice_is_no_difference() -> None:
    assert rows(difference(read(*WORK), read(*WORK))) == {}


def test_profiles_of_different_things_are_not_added_up() -> None:
    heap = decode(packed(made([("main.main", 1)], types=[("inuse_space", "bytes")])))
    with pytest.raises(Declined, match="no sample type in common"):
        merged([read(*WORK), heap])
    seconds = decode(packed(made([("main.main", 1)], types=[("cpu", "seconds")])))
    with pytest.raises(Declined, match="different units"):
        merged([read(*WORK), seconds])


def test_only_what_all_count_is_added_up() -> None:
    two = decode(packed(made([("main.main", [3, 4])], types=[("objects", "count"), ("cpu", "nanoseconds")])))
    both = merged([two, read(("main.main", 10))])
    assert [one.type for one in both.types] == ["cpu"]
    assert rows(both) == {"main.main": (14, 14)}


def test_the_sample_type_is_found_as_pprof_finds_it() -> None:
    types = [("objects", "count"), ("space", "bytes"), ("alloc_space", "bytes")]
    profile = decode(packed(made([("main.main", [1, 2, 3])], types=types)))
    assert [profile.index_of(name) for name in ("", "space", "inuse_space", "objects")] == [2, 1, 1, 0]
    with pytest.raises(Declined, match="no sample type 'cpu'") as refusal:
        profile.index_of("cpu")
    assert refusal.value.hint == "sample types: objects, space, alloc_space"


def test_packed_twice_over_and_not_packed_at_all() -> None:
    raw = made(WORK).SerializeToString()
    half = len(raw) // 2
    assert unpacked(raw) == raw
    assert unpacked(gzip.compress(raw[:half]) + gzip.compress(raw[half:])) == raw


DAMAGED = {
    "empty": (b"", "empty"),
    "text": (b"heap profile: 1: 2 [3: 4] @ heap/1048576\n", "text form"),
    "html": (b"<html>404 not found</html>", "it is a text, and no profile"),
    "crash": (b"panic: boom\n\ngoroutine 1 [running]:\n", "it is a text, and no profile"),
    "cut off": (packed(made(WORK))[:-12], "cut off"),
    "no end": (packed(made(WORK))[:12], "cut off"),
    "garbage behind": (packed(made(WORK)) + b"garbage", "follows"),
    "cut inside": (made(WORK).SerializeToString()[:-3], "cut off|no string|damaged"),
    "bad packing": (b"\x1f\x8b\x08\x00" + bytes(20), "damaged"),
    "no types": (packed(PbProfile(string_table=[""])), "does not say what it counts"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_told(name: str) -> None:
    data, why = DAMAGED[name]
    with pytest.raises(Unreadable, match=why):
        decode(data)


def broken(change: str) -> PbProfile:
    raw = made(WORK)
    match change:
        case "location":
            raw.sample[0].location_id[0] = 99
        case "function":
            raw.location[0].line[0].function_id = 99
        case "twice":
            raw.function[0].id = raw.function[1].id
        case "zero":
            raw.location[0].id = 0
        case "values":
            raw.sample[0].value.append(1)
        case "string":
            raw.function[0].name = 1000
        case "first string":
            raw.string_table[0] = "x"
        case "drop":
            raw.string_table.append("(")
            raw.drop_frames = len(raw.string_table) - 1
    return raw


@pytest.mark.parametrize(
    "change", ["location", "function", "twice", "zero", "values", "string", "first string", "drop"]
)
def test_what_does_not_fit_together_is_told(change: str) -> None:
    with pytest.raises(Unreadable):
        pruned(decode(packed(broken(change))))


def test_no_byte_that_is_changed_breaks_the_reader() -> None:
    good, dice = made(WORK).SerializeToString(), random.Random(4)  # noqa: S311  the same each time
    said = set[str]()
    for _ in range(2000):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 3)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        try:
            folded(pruned(decode(bytes(bad))), 0)
        except Unreadable as error:
            said.add(str(error).partition(":")[0])
    assert said == {"profile"}


BOMBS = """
import gzip, resource, sys, zlib
from diagmesh.adapters.pprof.decode import decode
from diagmesh.errors import Unreadable

def packed(piece, count):
    zipped = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([zipped.compress(piece) for _ in range(count)]) + zipped.flush()

MIB = 1 << 20
bombs = {
    "zeros": packed(bytes(MIB), 1024),
    "samples": packed(b"\\x12\\x00" * (MIB // 2), 60),
    "strings": packed(b"\\x32\\x00" * (MIB // 2), 60),
    "locations": packed(b"\\x22\\x02\\x08\\x01" * (MIB // 4), 60),
    "comments": packed(b"\\x68\\x01" * (MIB // 2), 60),
    "frames": packed(b"\\x0a\\x00" + (b"\\x12\\x84\\x80\\x20\\x0a\\x80\\x80\\x20" + b"\\x01" * (MIB // 2)), 100),
    "labels": packed(b"\\x12\\x80\\x80\\x20" + b"\\x1a\\x00" * (MIB // 4), 100),
    "one": b"\\x12" + b"\\xff\\xff\\xff\\x1f" + bytes(MIB),
}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, bomb in bombs.items():
    try:
        decode(bomb)
    except Unreadable as error:
        print(name, error, file=sys.stderr)
    else:
        raise SystemExit(f"{name} went through")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_bombs_are_refused_within_bounded_memory() -> None:
    done = subprocess.run([sys.executable, "-c", BOMBS], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 512 << 10, done.stderr


LONG_NAMES = """
import gzip, resource, sys
from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.look import Wanted, look
from diagmesh.adapters.pprof.profile_pb2 import Profile
from diagmesh.errors import Unreadable

resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

def named():
    profile = Profile(string_table=["", "cpu", "count", "f" * (1 << 20)])
    profile.sample_type.add(type=1, unit=2)
    profile.function.add(id=1, name=3)
    profile.location.add(id=1).line.add(function_id=1, line=1)
    return profile

deep, many, marked = named(), named(), named()
deep.sample.add(location_id=[1] * 16_000, value=[1])
for number in range(2, 20_000):
    many.location.add(id=number).line.add(function_id=1, line=number)
many.sample.add(location_id=range(1, 20_000), value=[1])
for number in range(20_000):
    marked.sample.add(location_id=[1], value=[1]).label.add(key=1, num=number + 1, num_unit=3)
for name, bomb in (("stacks", deep), ("lines", many), ("labels", marked)):
    packed = gzip.compress(bomb.SerializeToString())
    assert len(packed) < 1 << 20
    try:
        look(decode(packed), Wanted(top=0, lines=True, folded=True))
    except Unreadable as error:
        print(name, error)
    else:
        raise SystemExit(f"{name} went through")
"""


def test_one_long_name_that_stands_everywhere_is_no_room() -> None:
    done = subprocess.run([sys.executable, "-c", LONG_NAMES], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ["stacks", "lines", "labels"]
    assert done.stdout.count("256 MiB") == 3


def test_a_pattern_that_a_later_python_may_read_otherwise_is_no_warning() -> None:
    assert pattern("[[a]", "focus") is not None
