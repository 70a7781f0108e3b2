"""Pictures as a browser writes them: PNG, 8 bit, RGB or RGBA, not interlaced."""

import struct
import zlib
from typing import Final, NamedTuple

__all__ = ["Picture", "picture_of"]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CHANNELS: Final = {2: 3, 6: 4}


class Picture(NamedTuple):
    """Rows of pixels, each of so many bytes."""

    width: int
    rows: list[bytes]
    channels: int

    def pixel(self, x: int, y: int) -> bytes:
        """Red, green, blue; from the left and from the top."""
        return self.rows[y][x * self.channels : x * self.channels + 3]

    def colours(self) -> set[bytes]:
        """Every colour once."""
        return {self.pixel(x, y) for y in range(len(self.rows)) for x in range(self.width)}

    def column(self, x: int) -> set[bytes]:
        """The colours from top to bottom."""
        return {self.pixel(x, y) for y in range(len(self.rows))}


def picture_of(data: bytes) -> Picture:
    """Decode one."""
    assert data.startswith(_SIGNATURE)
    position, packed, header = len(_SIGNATURE), b"", b""
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        header = body if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        position += 12 + length
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    assert (depth, interlaced) == (8, 0)
    channels = _CHANNELS[colour]
    raw, stride = zlib.decompress(packed), width * channels
    rows: list[bytes] = []
    above = bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        above = _unfiltered(raw[start], raw[start + 1 : start + 1 + stride], above, channels)
        rows.append(above)
    return Picture(width, rows, channels)


def _unfiltered(kind: int, line: bytes, above: bytes, step: int) -> bytes:
    if kind == 0:
        return line
    if kind == 2:
        return bytes((one + up) & 0xFF for one, up in zip(line, above, strict=True))
    out = bytearray(step) + bytearray(line)  # what is left of the first pixel is zero
    corner = bytes(step) + above
    for x in range(step, len(out)):
        left, up, diagonal = out[x - step], corner[x], corner[x - step]
        guess = {1: left, 3: (left + up) // 2}.get(kind, -1)
        out[x] = (out[x] + (guess if guess >= 0 else _paeth(left, up, diagonal))) & 0xFF
    return bytes(out[step:])


def _paeth(left: int, up: int, diagonal: int) -> int:
    estimate = left + up - diagonal
    return min((left, up, diagonal), key=lambda one: abs(estimate - one))
