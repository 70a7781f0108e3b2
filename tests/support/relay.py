"""A link that can be cut: a process that passes bytes on between a client and a server."""

from pathlib import Path
from typing import Final

from support.ports import free_port
from support.programs import Program, wait_until

__all__ = ["Relay"]

_START_S: Final = 15.0
_SCRIPT: Final = """
import asyncio, contextlib, sys

async def pour(source, sink):
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()

async def serve(reader, writer):
    try:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    except OSError:
        writer.close()
        return
    await asyncio.gather(pour(reader, far_writer), pour(far_reader, writer))

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        print("ready", flush=True)
        await server.serve_forever()

asyncio.run(main())
"""


class Relay:
    """Passes on what comes to its own port; freeze its `program` to lose all that is on the way, kill it to cut it.

    Args:
        directory: for its log.
        port: of the server, on loopback.
    """

    def __init__(self, directory: Path, port: int) -> None:
        self.port = free_port()
        self._directory = directory
        self._server_port = port
        self.program = self.start()

    @property
    def url(self) -> str:
        """Where a client reaches the server through it."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> Program:
        """Let it pass bytes (again, after it was killed)."""
        command = ["python", "-c", _SCRIPT, str(self.port), str(self._server_port)]
        self.program = Program(command, self._directory)
        wait_until(lambda: "ready" in self.program.log_text(), _START_S, "the relay listens")
        return self.program

    def close(self) -> None:
        """End it."""
        self.program.stop()
