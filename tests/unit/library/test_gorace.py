"""Reports of the race detector: what stands in them is found whatever surrounds it, each race once, in bounded room."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.adapters.gorace import Collected, RaceReader, Report, race_id
from diagmesh.contract.answers.races import Access, Creation, Race, Races
from diagmesh.contract.answers.stacks import Frame

HERE: Final = Path(__file__).parents[2] / "data" / "race"
SIMPLE: Final = (HERE / "simple.txt").read_bytes()
LATER: Final = datetime(2026, 11, 23, 14, 2, 11, tzinfo=UTC)


def read(data: bytes, size: int = 0) -> list[Report]:
    """What a reader finds when it is given pieces of that size."""
    reader = RaceReader()
    pieces = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    return [report for piece in pieces for report in reader.feed(piece)] + reader.end()


def as_told(report: Report) -> dict[str, Any]:
    """In the form of the fixtures."""

    def frames(one: Access | Creation) -> list[list[Any]]:
        return [[f"{frame.function}()", frame.file, frame.line] for frame in one.frames]

    return {
        "accesses": [
            {
                "op": one.operation.value,
                "previous": one.previous,
                "addr": one.address,
                "by": one.by,
                "frames": frames(one),
            }
            for one in report.accesses
        ],
        "created": [
            {"goroutine": one.of.capitalize(), "state": one.state, "frames": frames(one)} for one in report.created
        ],
    }


def suite(folder: Path) -> Iterable[tuple[str, bytes, list[Any]]]:
    for line in (folder / "go_race_suite.jsonl").read_text().splitlines():
        record = json.loads(line)
        yield record["test"], record["output"].encode(), record["expected"]


@pytest.mark.parametrize("size", [0, 1, 61])
def test_each_record_of_the_race_suite_of_go_is_read_as_it_is_labelled(size: int) -> None:
    records = list(suite(HERE))
    assert len(records) == 82
    for name, output, expected in records:
        assert [as_told(report) for report in read(output, size)] == expected, name


@pytest.mark.parametrize("program", ["simple", "test_fails_on_race"])
def test_a_program_and_a_test_are_read_as_they_are_labelled(program: str) -> None:
    expected = json.loads((HERE / f"{program}.expected.json").read_text())
    assert [as_told(report) for report in read((HERE / f"{program}.txt").read_bytes())] == expected


def test_every_file_of_the_fixtures_agrees(fixtures_root: Path) -> None:
    folder = fixtures_root / "race"
    told = [(name, output, expected) for name, output, expected in suite(folder)]
    told += [
        (file.stem, file.read_bytes(), json.loads(file.with_suffix(".expected.json").read_text()))
        for file in sorted((folder / "programs").glob("*.txt"))
    ]
    assert len(told) == 85
    for name, output, expected in told:
        assert [as_told(report) for report in read(output)] == expected, name


def pieces_of(report: bytes) -> list[bytes]:
    """The pieces in which the race detector writes: others can come between any two of them."""
    whole = report.replace(b"DATA RACE\n", b"DATA RACE\x00\n").replace(b" by ", b" by \x00")
    return [piece for line in whole.splitlines(keepends=True) for piece in line.split(b"\x00")]


_FOREIGN: Final = st.sampled_from(
    (
        b'{"timestamp":"2026-11-23T14:02:11Z","level":"INFO","message":"order created","operation":"create"}\n',
        b'{"log":"not what you think"\n',
        b"2026/11/23 14:02:11 http: panic serving 127.0.0.1:9: Found nothing\n",
        b"\n",
        b"====\n",
        b"  indented\n      deeper:12\n",
        "ünï ☃ \xff\n".encode("latin-1", "replace"),
        b"goroutine 12 [running]:\n",
    )
)


@given(data=st.data())
def test_lines_of_others_between_any_two_pieces_change_nothing(data: st.DataObject) -> None:
    pieces = pieces_of(SIMPLE[: SIMPLE.index(b"Found")])
    mixed = b"".join(piece + b"".join(data.draw(st.lists(_FOREIGN, max_size=2))) for piece in pieces)
    (report,) = read(mixed, data.draw(st.sampled_from((0, 1, 7, 64))))
    assert as_told(report) == as_told(read(SIMPLE)[0])


def stamped(lines: bytes, before: str) -> bytes:
    """Each line behind a prefix, in which ``#`` is another number each time."""
    return b"".join(
        before.replace("#", str(11 + number)).encode() + line for number, line in enumerate(lines.splitlines(True))
    )


@pytest.mark.parametrize(
    "before",
    [
        "orders-1  | ",
        "2026-11-23T14:02:#.482Z stderr F ",
        "Nov 23 14:02:# node-7 orders[4711]: ",
        "2026-11-23T14:02:#Z [orders] (stderr)  ",
        "12:#:#.5 .*+?[(\\ | ",
    ],
)
def test_what_stands_before_each_line_is_taken_off(before: str) -> None:
    (report,) = read(stamped(SIMPLE, before))
    assert as_told(report) == as_told(read(SIMPLE)[0])
    assert (report.at is not None) == before.startswith("2026")


def in_docker(lines: bytes, stream: str = "stderr") -> bytes:
    return b"".join(
        msgspec.json.encode({"log": line.decode(), "stream": stream, "time": "2026-11-23T14:02:11.482193755Z"}) + b"\n"
        for line in lines.splitlines(True)
    )


def in_go_test(lines: bytes, package: str, test: str = "") -> bytes:
    told = {"Time": "2026-11-23T14:02:11Z", "Action": "output", "Package": package, **({"Test": test} if test else {})}
    return b"".join(
        msgspec.json.encode({**told, "Output": line.decode()}) + b"\n" for line in lines.splitlines(keepends=True)
    )


def test_the_json_of_docker_and_of_go_test_is_unwrapped_with_its_time_and_test() -> None:
    (report,) = read(in_docker(SIMPLE))
    assert as_told(report) == as_told(read(SIMPLE)[0])
    assert report.at == datetime(2026, 11, 23, 14, 2, 11, 482193, tzinfo=UTC)
    (report,) = read(in_go_test(SIMPLE, "shop", "TestFail"))
    assert as_told(report) == as_told(read(SIMPLE)[0])
    assert (report.at, report.test) == (LATER, "shop.TestFail")


def zipped(one: bytes, other: bytes) -> bytes:
    return b"".join(b"".join(pair) for pair in zip(one.splitlines(True), other.splitlines(True), strict=True))


def test_reports_of_two_programs_in_one_log_are_told_apart() -> None:
    other = SIMPLE.replace(b"main.go:14", b"main.go:15")
    expected = {race_id(read(one)[0].accesses) for one in (SIMPLE, other)}
    for mixed in (
        zipped(in_go_test(SIMPLE, "a"), in_go_test(other, "b")),
        zipped(in_docker(SIMPLE), in_docker(other, "stdout")),
        zipped(stamped(SIMPLE, "orders-1    | "), stamped(other, "payments-1  | ")),
    ):
        assert {race_id(report.accesses) for report in read(mixed)} == expected


def test_a_stack_that_could_not_be_restored_is_empty() -> None:
    start = SIMPLE.index(b"Previous write")
    end = SIMPLE.index(b"Goroutine 7")
    head = SIMPLE[start:].split(b"\n")[0]
    (report,) = read(SIMPLE[:start] + head + b"\n  [failed to restore the stack]\n\n" + SIMPLE[end:])
    assert [len(one.frames) for one in report.accesses] == [2, 0]
    assert report.accesses[1].by == "main goroutine"
    assert len(report.created) == 1


def test_a_mutex_is_told_as_what_was_created() -> None:
    section = b"Mutex M12 (0x00c000018118) created at:\n  main.main()\n      /src/a b:c.go:3 +0x1\n==================\n"
    (report,) = read(SIMPLE[: SIMPLE.rindex(b"==================")] + section)
    assert [one.of for one in report.created] == ["goroutine 7", "mutex 12"]
    frame = report.created[1].frames[0]
    assert (frame.function, frame.file, frame.line) == ("main.main", "/src/a b:c.go", 3)


def test_what_programs_say_that_they_found_is_added_up() -> None:
    reader = RaceReader()
    reader.feed(SIMPLE + SIMPLE.replace(b"Found 1", b"Found 12"))
    assert (reader.announced, reader.cut) == (13, 0)


def test_a_report_that_breaks_off_is_used_once_its_second_stack_is_whole() -> None:
    whole = race_id(read(SIMPLE)[0].accesses)
    # From the heading of the creation on, both stacks are whole.
    for end in range(SIMPLE.index(b"created at:\n") + 12, len(SIMPLE), 5):
        (report,) = read(SIMPLE[:end])
        assert race_id(report.accesses) == whole
    for end in range(SIMPLE.index(b"Write at") + 30, SIMPLE.index(b"created at:"), 5):
        reader = RaceReader()
        assert reader.feed(SIMPLE[:end]) + reader.end() == []
        assert reader.cut == 1, end


def test_a_report_in_place_of_the_end_of_another_one_is_read_and_the_other_is_cut() -> None:
    reader = RaceReader()
    reports = reader.feed(SIMPLE[: SIMPLE.index(b"Previous")] + SIMPLE) + reader.end()
    assert [as_told(report) for report in reports] == [as_told(read(SIMPLE)[0])]
    assert reader.cut == 1


def test_words_that_only_look_like_a_report_are_none() -> None:
    reader = RaceReader()
    text = b"I saw WARNING: DATA RACE yesterday\n" + b"and nothing else\n" * 20_000
    assert reader.feed(text) + reader.end() == []
    assert reader.cut == 0


def test_however_long_lines_stacks_and_logs_are_the_room_is_bounded() -> None:
    reader = RaceReader()
    for _ in range(100):
        assert reader.feed(b"x" * 100_000) == []
        assert len(reader._rest) <= 64 * 1024
    assert len(reader.feed(b" WARNING: DATA RACE\n" + SIMPLE)) == 1, (
        "the end of a line that is too long is no beginning"
    )
    deep = SIMPLE.replace(b"  main.racer()", b"  main.deep()\n      /src/deep.go:1 +0x1\n" * 900 + b"  main.racer()")
    (report,) = read(deep)
    assert len(report.accesses[0].frames) <= 512
    for number in range(100):
        reader.feed(stamped(SIMPLE[: SIMPLE.index(b"Previous")], f"p{number} | "))
    assert len(reader._open) <= 32
    assert reader.cut == 68


def test_one_race_is_told_once_whichever_access_came_first() -> None:
    (report,) = read(SIMPLE)
    first, second = report.accesses
    turned = msgspec.structs.replace(report, accesses=(second, first), test="shop.TestB", at=LATER)
    other = read(SIMPLE.replace(b"main.go:14", b"main.go:15"))[0]
    races = Collected()
    races.add(msgspec.structs.replace(report, test="shop.TestA"), LATER.replace(hour=13))
    races.add(turned)
    races.add(other)
    assert (races.reports, [race.count for race in races.races]) == (3, [2, 1])
    race = races.races[0]
    assert (race.first_seen, race.last_seen) == (LATER.replace(hour=13), LATER)
    assert race.tests == ("shop.TestA", "shop.TestB")
    assert [one.frames for one in race.accesses] == [one.frames for one in report.accesses]


@given(addresses=st.lists(st.sampled_from(("0x00c000018118", "0x00c000099999")), min_size=1, max_size=4))
def test_addresses_and_numbers_of_goroutines_make_no_other_race(addresses: list[str]) -> None:
    races = Collected()
    for number, address in enumerate(addresses):
        text = SIMPLE.replace(b"0x00c000018118", address.encode()).replace(b"oroutine 7", b"oroutine %d" % (number + 8))
        races.add(read(text)[0])
    assert [race.count for race in races.races] == [len(addresses)]


def test_races_and_frames_beyond_the_limit_are_counted_and_left_out() -> None:
    races = Collected(most_races=2, most_frames=1)
    for line in (14, 15, 16, 14):
        races.add(read(SIMPLE.replace(b"main.go:14", b"main.go:%d" % line))[0])
    assert [race.count for race in races.races] == [2, 1]
    assert (races.reports, races.dropped) == (4, 1)
    access = races.races[0].accesses[0]
    assert (len(access.frames), access.frames_left_out) == (1, 1)


def answer(*counts: tuple[str, int]) -> Races:
    found = tuple(Race(id=name, accesses=(), count=count, first_seen=LATER) for name, count in counts)
    return Races(distinct=len(found), reports=sum(race.count for race in found), races=found)


def test_the_same_race_of_several_instances_is_one_with_the_reports_of_each() -> None:
    told = Races.as_one([("orders/i1", answer(("a", 3), ("b", 1))), ("orders/i2", answer(("a", 4)))])
    assert told is not None
    assert (told.distinct, told.reports) == (2, 8)
    assert [(race.id, race.count, race.instances) for race in told.races] == [
        ("a", 7, {"orders/i1": 3, "orders/i2": 4}),
        ("b", 1, {"orders/i1": 1}),
    ]


@settings(max_examples=200)
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(SIMPLE.splitlines(keepends=True))), max_size=60))
def test_any_bytes_give_reports_or_none_and_nothing_else(parts: list[bytes]) -> None:
    data = b"".join(parts)
    whole = read(data)
    assert [as_told(report) for report in read(data, 3)] == [as_told(report) for report in whole]
    for report in whole:
        assert len(report.accesses) == 2
        Collected().add(report)


def test_a_report_is_the_same_however_slowly_it_comes() -> None:
    """A long line of somebody else between its own, byte by byte: pieces without an end of a line are no lines."""
    head, tail = SIMPLE.split(b"Previous", 1)
    reader, reports = RaceReader(), list[object]()
    for byte in head + b"x" * 12_000 + b"\nPrevious" + tail:
        reports += reader.feed(bytes([byte]))
    assert (len(reports + reader.end()), reader.cut, reader.announced) == (1, 0, 1)


def test_very_long_stacks_are_fewer_races() -> None:
    """So that a log of nothing else takes some hundred MiB, and not gigabytes."""
    (one,) = read(SIMPLE)
    long = msgspec.structs.replace(one.accesses[0], frames=one.accesses[0].frames[:1] * 512)
    races = Collected(most_races=10_000, most_frames=512)
    for number in range(2000):
        first = msgspec.structs.replace(one.accesses[0], frames=(Frame(function=f"main.f{number}"),))
        races.add(msgspec.structs.replace(one, accesses=(first, long)))
    kept = sum(len(part.frames) for race in races.races for part in race.accesses)
    kept += sum(len(part.frames) for race in races.races for part in race.created)
    assert 400_000 <= kept < 401_000
    assert len(races.races) + races.dropped == races.reports == 2000
