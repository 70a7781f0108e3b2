"""What the race detector of Go writes, among whatever else a log holds."""

from typing import Final

from diagmesh.adapters.gorace import Collected, RaceReader
from diagmesh.contract.answers.races import Race
from diagmesh.contract.codec import encode
from fuzz.target import Target

__all__ = ["TARGETS"]

_REPORT: Final = (
    b"==================\nWARNING: DATA RACE\nWrite at 0x00c000018118 by goroutine 7:\n  main.store()\n"
    b"      /go/src/main.go:14 +0x44\n\nPrevious read at 0x00c000018118 by main goroutine:\n"
    b"  [failed to restore the stack]\n\nGoroutine 7 (running) created at:\n  main.main()\n"
    b"      /go/src/main.go:9 +0x5a\n==================\nFound 1 data race(s)\n"
)
_DOCKER: Final = b"".join(
    b'{"log":"' + line.rstrip(b"\n") + b'\\n","stream":"stderr","time":"2026-11-23T14:02:11.482193755Z"}\n'
    for line in _REPORT.splitlines(keepends=True)
)


def _races(data: bytes) -> None:
    """The first byte says in which pieces the rest comes."""
    size, data = 1 + (data[0] if data else 0), data[1:]
    reader, again, races = RaceReader(), RaceReader(), Collected(most_races=4, most_frames=4)
    reports = reader.feed(data) + reader.end()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert [report for piece in pieces for report in again.feed(piece)] + again.end() == reports
    assert (again.cut, again.announced) == (reader.cut, reader.announced)
    for report in reports:
        races.add(report)
    assert races.reports == len(reports) == races.dropped + sum(race.count for race in races.races)
    assert len(races.races) <= 4
    for race in races.races:
        assert isinstance(race, Race)
        assert all(len(access.frames) <= 4 for access in race.accesses)
        assert all(len(creation.frames) <= 4 for creation in race.created)
        encode(race)


TARGETS: Final = (
    Target(
        "races",
        _races,
        ("diagmesh.adapters.gorace.lines", "diagmesh.adapters.gorace.report", "diagmesh.adapters.gorace.reader"),
        (
            b"\xff" + _REPORT,
            b"\x06" + _DOCKER,
            b"\x10" + b"".join(b"orders-1  | " + line for line in _REPORT.splitlines(keepends=True)),
            b'\x01{"Output":"WARNING: DATA RACE\\n","Package":"p","Test":"T","Time":"9999-99-99T99:99:99Z"}\n',
        ),
    ),
)
