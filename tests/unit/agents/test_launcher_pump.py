"""The pump's reader: what was written in one piece is passed on in one piece, however much of it waits."""

import fcntl
import os
from collections.abc import Iterator
from mmap import mmap

import pytest

from diagmesh_agents._launcher import pump
from diagmesh_agents._launcher.area import AREA_BYTES, Area

LINES = 1500
"""Of a hundred bytes, written two at a time: more than one read takes."""


@pytest.fixture
def pipes() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    ends = [os.pipe() for _ in range(2)]
    for read, _ in ends:
        os.set_blocking(read, False)
        fcntl.fcntl(read, fcntl.F_SETPIPE_SZ, 1 << 20)
    yield (ends[0][0], ends[1][0]), (ends[0][1], ends[1][1])
    for end in (end for pair in ends for end in pair):
        os.close(end)


def test_a_long_backlog_of_two_streams_is_not_torn(
    pipes: tuple[tuple[int, int], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[bytes] = []

    class Gathering:
        def put(self, data: bytes, _: object) -> None:
            passed.append(data)

    one = Gathering()
    monkeypatch.setattr(pump.Reader, "_outlet", lambda *_: one)
    (out, err), (to_out, to_err) = pipes
    for _ in range(LINES // 2):
        os.write(to_out, (b"1" * 99 + b"\n") * 2)
        os.write(to_err, (b"2" * 99 + b"\n") * 2)
    reader = pump.Reader((out, err), Area(mmap(-1, AREA_BYTES), 0), patient=True)
    while any([reader.read(out), reader.read(err)]):
        pass
    lines = b"".join(passed).splitlines()
    assert (len(lines), {*lines}) == (2 * LINES, {b"1" * 99, b"2" * 99})
    assert max(map(len, passed)) <= 64 * 1024
