"""What a child writes, read piece by piece while it runs; however much it is, little is kept."""

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["Tail", "collected", "follow"]

_PIECE_BYTES: Final = 64 * 1024
_MOST_BYTES: Final = 4 << 20


class Tail:
    """The end of what was written.

    Args:
        most: so many bytes.
    """

    def __init__(self, most: int = 16 * 1024) -> None:
        self._most = most
        self.data = b""

    def feed(self, data: bytes) -> None:
        """More of it."""
        self.data = (self.data + data)[-self._most :]

    @property
    def text(self) -> str:
        """As text, from the beginning of a line where it was cut."""
        data = self.data
        if len(data) == self._most:
            data = data[data.find(b"\n") + 1 :]
        return data.decode("utf-8", "replace")


async def follow(stream: asyncio.StreamReader | None, *takers: Callable[[bytes], object]) -> None:
    """Hand on whatever comes, until the end."""
    assert stream is not None  # noqa: S101  the child was started with pipes
    while data := await stream.read(_PIECE_BYTES):
        for take in takers:
            take(data)


async def collected(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    """Both outputs of a child that ends by itself: the last MiBs of the one, the end of the other."""
    out, err = Tail(_MOST_BYTES), Tail()
    await asyncio.gather(follow(process.stdout, out.feed), follow(process.stderr, err.feed))
    await process.wait()
    return out.data, err.data
