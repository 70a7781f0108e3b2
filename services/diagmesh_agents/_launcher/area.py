"""A bounded ring of output in shared memory, with one writer at a time, which no reader can ever hold up."""

import re
import struct
import time
from mmap import mmap
from typing import Final, NamedTuple

__all__ = ["AREA_BYTES", "HEAD_BYTES", "STREAMS", "Area", "Frame", "Head"]

STREAMS: Final = (1, 2)
"""Standard output, standard error."""
HEAD_BYTES: Final = 16 * 1024
_RING_BYTES: Final = 256 * 1024
_FRAME_BYTES: Final = 32 * 1024
_HEAD_AT: Final = 64  # after two positions and three counters per stream
_RING_AT: Final = _HEAD_AT + 16 + HEAD_BYTES
AREA_BYTES: Final = _RING_AT + _RING_BYTES

_number: Final = struct.Struct("<Q")
_frame: Final = struct.Struct("<QII")
_OLDEST: Final = 0
_WRITTEN: Final = 8
_READ, _PASSED, _UNPASSED = 16, 24, 32
_PER_STREAM: Final = 24
_TROUBLE: Final = re.compile(rb"^(?:panic: |fatal error: )", re.MULTILINE)
_LONGEST_SIGN: Final = len(b"fatal error: ")


class Frame(NamedTuple):
    """One piece of output: when it was read (nanoseconds, monotonic), from which stream, and what."""

    at_ns: int
    stream: int
    data: bytes


class Head(NamedTuple):
    """The beginning of the last thing on standard error that began like the end of a Go program; 0 and empty: none."""

    at_ns: int
    data: bytes


class Area:
    """One writer's part of the shared memory: counters, the head of a panic, then the ring of frames.

    Each step of a write leaves the memory readable, so that a writer may be killed or frozen at any instruction.

    Args:
        memory: the whole of it.
        at: where this area begins.
    """

    def __init__(self, memory: mmap, at: int) -> None:
        self._memory = memory
        self._at = at
        self._line = b"\n"
        self._head_left = 0

    def add(self, stream: int, data: bytes) -> None:
        """Keep what was read; the oldest is overwritten, the head of a panic is kept apart."""
        self._count(_READ, stream, len(data))
        now_ns = time.monotonic_ns()
        for start in range(0, len(data), _FRAME_BYTES):
            self._append(now_ns, stream, data[start : start + _FRAME_BYTES])
        if stream == STREAMS[1]:
            self._keep_head(now_ns, data)

    def passed(self, stream: int, size: int) -> None:
        """So many bytes were passed on."""
        self._count(_PASSED, stream, size)

    def unpassed(self, stream: int, size: int) -> None:
        """So many bytes could not be passed on."""
        self._count(_UNPASSED, stream, size)

    def pending(self, stream: int) -> int:
        """How many bytes were read and are neither passed on nor given up."""
        return self._counted(_READ, stream) - self._counted(_PASSED, stream) - self._counted(_UNPASSED, stream)

    def totals(self) -> tuple[int, int]:
        """Bytes read, and bytes that could not be passed on, over both streams."""
        read = sum(self._counted(_READ, stream) for stream in STREAMS)
        return read, sum(self._counted(_UNPASSED, stream) for stream in STREAMS)

    def frames(self) -> list[Frame]:
        """What is kept, oldest first; whatever was overwritten while we read is left out."""
        return self.since(0)[1]

    def since(self, position: int) -> tuple[int, list[Frame]]:
        """What came after a position that this gave before, and the position to go on from."""
        oldest, written = max(position, self._get(_OLDEST)), self._get(_WRITTEN)
        raw = bytes(self._memory[self._at + _RING_AT : self._at + _RING_AT + _RING_BYTES])
        intact = self._get(_OLDEST)
        frames = []
        while oldest < written:
            at_ns, stream, size = _frame.unpack(_cut(raw, oldest, _frame.size))
            if not 0 < size <= _FRAME_BYTES or stream not in STREAMS:
                return position, []  # overwritten in between
            if oldest >= intact:
                frames.append(Frame(at_ns, stream, _cut(raw, oldest + _frame.size, size)))
            oldest += _frame.size + size
        return oldest, frames

    def head(self) -> Head:
        """The beginning of the last panic or fatal error."""
        start = self._at + _HEAD_AT
        at_ns, size = _number.unpack_from(self._memory, start)[0], _number.unpack_from(self._memory, start + 8)[0]
        return Head(at_ns, bytes(self._memory[start + 16 : start + 16 + min(size, HEAD_BYTES)]))

    def _append(self, at_ns: int, stream: int, data: bytes) -> None:
        oldest, written = self._get(_OLDEST), self._get(_WRITTEN)
        needed = _frame.size + len(data)
        while written + needed - oldest > _RING_BYTES:
            oldest += _frame.size + _frame.unpack(self._ring(oldest, _frame.size))[2]
        self._set(_OLDEST, oldest)
        self._put(written, _frame.pack(at_ns, stream, len(data)) + data)
        self._set(_WRITTEN, written + needed)

    def _keep_head(self, now_ns: int, data: bytes) -> None:
        seen = self._line + data
        found = None
        for found in _TROUBLE.finditer(seen):  # noqa: B007  the last one counts
            pass
        start = self._at + _HEAD_AT
        if found is not None:
            self._memory[start : start + 16] = _number.pack(now_ns) + _number.pack(0)
            self._head_left = HEAD_BYTES
            data = seen[found.start() :]
        if self._head_left:
            size = _number.unpack_from(self._memory, start + 8)[0]
            piece = data[: self._head_left]
            self._memory[start + 16 + size : start + 16 + size + len(piece)] = piece
            self._memory[start + 8 : start + 16] = _number.pack(size + len(piece))
            self._head_left -= len(piece)
        # What may become a sign with the next bytes: the beginning of the last line, or that it has just begun.
        line = seen[seen.rfind(b"\n") :]
        self._line = line if len(line) <= _LONGEST_SIGN else b" "

    def _ring(self, position: int, size: int) -> bytes:
        start = position % _RING_BYTES
        base = self._at + _RING_AT
        first = self._memory[base + start : base + min(start + size, _RING_BYTES)]
        return first + self._memory[base : base + size - len(first)]

    def _put(self, position: int, data: bytes) -> None:
        start = position % _RING_BYTES
        base = self._at + _RING_AT
        fits = min(len(data), _RING_BYTES - start)
        self._memory[base + start : base + start + fits] = data[:fits]
        self._memory[base : base + len(data) - fits] = data[fits:]

    def _count(self, field: int, stream: int, size: int) -> None:
        at = field + _PER_STREAM * STREAMS.index(stream)
        self._set(at, self._get(at) + size)

    def _counted(self, field: int, stream: int) -> int:
        return self._get(field + _PER_STREAM * STREAMS.index(stream))

    def _get(self, field: int) -> int:
        return int(_number.unpack_from(self._memory, self._at + field)[0])

    def _set(self, field: int, value: int) -> None:
        _number.pack_into(self._memory, self._at + field, value)


def _cut(raw: bytes, position: int, size: int) -> bytes:
    start = position % len(raw)
    first = raw[start : start + size]
    return first + raw[: size - len(first)]
