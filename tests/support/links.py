"""Links between servers that can be cut and mended, in the loop of the test: who is cut off is refused at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import permutations
from typing import Final

__all__ = ["Link", "linking"]

_BLOCK_BYTES: Final = 65_536
_IDLE_S: Final = 10.0


class Link:
    """One way to a server; made by `linking`.

    Args:
        to: port of the server, on loopback.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._cut = False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End what goes through it, and refuse what comes."""
        self._cut = True
        for one in self._open:
            one.transport.abort()

    @property
    def busy(self) -> bool:
        """Whether there are connections."""
        return bool(self._open)

    def mend(self) -> None:
        """Let through what comes from now on."""
        self._cut = False

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self._open.add(writer)
        try:
            if self._cut:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
            self._open.add(far_writer)
            try:
                await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))
            finally:
                self._open.discard(far_writer)
                far_writer.transport.abort()
        except OSError:
            pass  # the server is not there
        finally:
            self._open.discard(writer)
            writer.transport.abort()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_BLOCK_BYTES):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def linking(ports: dict[str, tuple[int, dict[str, int]]]) -> AsyncIterator["Links"]:
    """Links between servers.

    Args:
        ports: by name, where each listens, and where its link to each other one is to listen.
    """
    links = {(one, to): Link(ports[to][0]) for one, to in permutations(ports, 2)}
    async with AsyncExitStack() as stack:
        for (one, to), link in links.items():
            server = await asyncio.start_server(link.pass_on, "127.0.0.1", ports[one][1][to])
            await stack.enter_async_context(server)
            stack.callback(link.cut)
        yield Links(links)


class Links:
    """All of them.

    Args:
        links: by who dials whom.
    """

    def __init__(self, links: dict[tuple[str, str], Link]) -> None:
        self._links = links

    def part(self, *pairs: Iterable[str]) -> None:
        """Cut the links of some pairs, in both directions."""
        for pair in pairs:
            one, other = pair
            self._links[one, other].cut()
            self._links[other, one].cut()

    async def idle(self) -> None:
        """Wait until nothing goes through any, because the servers are ended."""
        async with asyncio.timeout(_IDLE_S):
            while any(one.busy for one in self._links.values()):
                await asyncio.sleep(0.01)

    def join(self) -> None:
        """Mend all."""
        for link in self._links.values():
            link.mend()
