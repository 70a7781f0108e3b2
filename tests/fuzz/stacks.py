"""What Go programs write of themselves: dumps, counts, crashes."""

import contextlib
from typing import Final

from diagmesh.adapters.gocrash import crashes_of
from diagmesh.adapters.godump import lines_of
from diagmesh.adapters.godump.report import Shape, answer_of
from diagmesh.adapters.godump.whole import read_dump
from diagmesh.contract.answers.goroutines import Level
from diagmesh.contract.codec import encode
from diagmesh.errors import Unreadable
from diagmesh_agents._godump import parse_index
from fuzz.target import Target

__all__ = ["TARGETS"]

_LOCKED: Final = (
    b"goroutine %d [sync.Mutex.Lock, 3 minutes, locked to thread]:\ninternal/sync.(*Mutex).lockSlow(0xc0000%x0)\n"
    b"\t/usr/local/go/src/internal/sync/mutex.go:149 +0x15a\nsync.(*Mutex).Lock(...)\n"
    b"\t/usr/local/go/src/sync/mutex.go:46\nmain.(*S).Put(0xc000010, {0x1?, ...})\n\t/s/m.go:3 +0x1\n"
    b"...12 frames elided...\ncreated by main.main in goroutine 1\n\t/s/m.go:9 +0x1\n\n"
)
_COUNTS: Final = b'goroutine profile: total 2\n2 @ 0x1 0x2\n# labels: {"a":"b"}\n#\t0x1\tmain.f+0x1\t/s/m.go:3\n\n'
_WRAPPED: Final = (
    b'{"log":"goroutine 1 [running]:\\n","stream":"stderr"}\n2026-11-27T09:00:00.1Z stderr F main.main()\n'
    b"Nov 27 09:00:00 host orders[123]: \t/src/main.go:7 +0x1d\n"
)
_CHAIN: Final = (
    b"runtime: note\npanic: a [recovered]\n\tpanic: b\n"
    b"[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4]\n"
    b"\ngoroutine 1 gp=0xc0 m=0 mp=0x1 [running]:\npanic({0x1, 0x2})\n\t/go/src/runtime/panic.go:1 +0x1\nmain.main()\n"
    b"\t/s/m.go:3 +0x1 fp=0x1 sp=0x2 pc=0x3\nexit status 2\n"
)
_HTTP: Final = (
    b"2026/11/23 15:25:49 http: panic serving 127.0.0.1:1: boom\ngoroutine 2 [running]:\nmain.f()\n\t/s/m.go:3\n"
)


def _dump(data: bytes) -> None:
    for level in Level:
        with contextlib.suppress(Unreadable):
            report = read_dump([data[:100], data[100:]], Shape(level=level, groups=5, members=3)).report
            told = answer_of(report, level)
            assert sum(group.count for group in told.groups) + told.goroutines_left_out == told.total
            assert sum(told.states.values()) in {told.total, 0} or len(told.states) == 64
            encode(told)


def _crash(data: bytes) -> None:
    for crash in crashes_of(lines_of([data])):
        assert len(crash.message) <= 4096
        assert crash.goroutines >= (crash.goroutine is not None)
        encode(crash)


def _index(data: bytes) -> None:
    said = parse_index(data)
    assert said.goroutines is None or said.goroutines >= 0


TARGETS: Final = (
    Target(
        "pprof-index",
        _index,
        ("diagmesh_agents._godump",),
        (b"<tr><td>12</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr>",),
    ),
    Target(
        "goroutine-dump",
        _dump,
        (
            "diagmesh.adapters.godump.counted",
            "diagmesh.adapters.godump.grammar",
            "diagmesh.adapters.godump.origin",
            "diagmesh.adapters.godump.reader",
            "diagmesh.adapters.godump.wrapped",
        ),
        (_LOCKED % (1, 1) + _LOCKED % (2, 2), _COUNTS, _WRAPPED),
    ),
    Target("crash", _crash, ("diagmesh.adapters.gocrash.signs",), (_CHAIN, _HTTP)),
)
