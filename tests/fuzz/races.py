"""What the race detector of Go writes, among whatever else a log holds."""

import io
import os
import struct
from typing import Final

from msgspec import Raw
from msgspec.json import decode
from rich.console import Console

from diagmesh.adapters.buildinfo import build_of
from diagmesh.adapters.gorace import Collected, RaceReader
from diagmesh.adapters.racewatch.program import log_path_of
from diagmesh.aggregate import add_up
from diagmesh.client import MeshResult
from diagmesh.contract.answers.races import Race, Races
from diagmesh.contract.codec import encode
from diagmesh.contract.mesh import Ended, MeshAnswer
from diagmesh.contract.wire import Reply, Status
from diagmesh.expected import Gathered
from diagmesh_cli.racerun.tally import Tally
from diagmesh_cli.views.replies import sum_of
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


_ANSWER: Final = encode(Races(distinct=1, reports=2, races=(Race(id="a", accesses=(), count=2),)))
_EVENT: Final = b'{"Action":"fail","Package":"p","Test":"T","Output":"race detected during execution of test"}\n'


def _answers(data: bytes) -> None:
    """What instances say, and what a coordinator says of them all."""
    replies = [
        Reply(v=1, service="orders", instance=name, kind="races", status=Status.ANSWERED, answer=Raw(answer))
        for name, answer in (("i1", data), ("i2", _ANSWER))
    ]
    gathered = Gathered(
        kind="races",
        replies=replies,
        silent=(),
        unexpected=(),
        expected=2,
        newcomers=(),
        not_waited_for=0,
        ended=Ended.COMPLETE,
        took_s=0.1,
        notes=(),
    )
    total = add_up(gathered, Races)
    assert isinstance(total.merged, Raw)
    assert "a" in {race.id for race in decode(total.merged, type=Races).races}
    for merged in (total.merged, Raw(data)):
        told = MeshAnswer(of="races", expected=2, answered=2, merged=merged)
        Console(file=io.StringIO(), width=80).print(sum_of(MeshResult(answer=told, each=(), reply=None), 80))


def _program(data: bytes) -> None:
    """An environment, and an executable."""
    path = log_path_of(data)
    assert path not in {"stderr", "stdout"}
    assert "\0" not in path
    descriptor = os.memfd_create("fuzz")
    try:
        os.write(descriptor, data)
        build = build_of(descriptor)
    finally:
        os.close(descriptor)
    if build is not None:
        assert all(isinstance(value, str) for value in build.settings.values())


def _executable() -> bytes:
    """The least that has build information: a header, one section and its name."""
    text = b"-" * 16 + b"path\tx\nbuild\t-race=true\n" + b"-" * 16
    blob = b"\xff Go buildinf:\x08\x02" + b"\0" * 16 + b"\x07go1.26." + bytes([len(text)]) + text
    names = b"\0.go.buildinfo\0"
    header = b"\x7fELF\x02\x01" + b"\0" * 34 + struct.pack("<Q", 64) + b"\0" * 10 + struct.pack("<3H", 64, 2, 1)
    sections = [(1, 192, len(blob)), (0, 192 + len(blob), len(names))]
    table = b"".join(
        struct.pack("<I", name) + b"\0" * 20 + struct.pack("<2Q", at, size) + b"\0" * 24 for name, at, size in sections
    )
    return header.ljust(64, b"\0") + table + blob + names


def _events(data: bytes) -> None:
    size, data = 1 + (data[0] if data else 0), data[1:]
    tally = Tally()
    for at in range(0, len(data), size):
        tally.feed(data[at : at + size])
    assert tally.done <= len(tally.packages)
    assert len(tally.build_words) <= 40


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
    Target(
        "race-answers",
        _answers,
        ("diagmesh.aggregate.total", "diagmesh_cli.views.replies"),
        (_ANSWER, b'{"distinct":1,"reports":1,"races":[{"id":"\\u001b","accesses":[],"count":-1}]}'),
    ),
    Target(
        "go-program",
        _program,
        ("diagmesh.adapters.racewatch.program", "diagmesh.adapters.buildinfo"),
        (b'A=1\0GORACE=halt_on_error=1 log_path="/a b"\0', b"GORACE=log_path=stderr\0", _executable()),
    ),
    Target(
        "go-test",
        _events,
        ("diagmesh_cli.racerun.tally",),
        (
            b"\xff" + _EVENT.replace(b"fail", b"output") + _EVENT,
            b"\x07" + b'{"Action":"build-output","Output":"x.go:1:2: no"}\nFAIL p [build failed]\n',
            b'\xff{"Action":"output","Package":"p","Output":"[setup failed]"}\n{"Action":"fail","Package":"p"}\n',
        ),
    ),
)
