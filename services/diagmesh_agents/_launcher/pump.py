"""The pump: reads what the service writes, keeps a copy in the ring, passes it on byte for byte."""

import contextlib
import os
import selectors
import signal
import sys
from functools import partial
from typing import Final

from diagmesh_agents._launcher.area import STREAMS, Area
from diagmesh_agents._launcher.memory import Memory
from diagmesh_agents._launcher.outlet import Counts, Outlet

__all__ = ["Reader", "main"]

_CHUNK_BYTES: Final = 64 * 1024
_MOST_CHUNKS: Final = 16
"""Together the size of our pipes (`Output`)."""
STILL_S: Final = 2.0
AT_MOST_S: Final = 30.0
"""At the end: how long a reader may be still, and how long all of the passing on may take."""
_NOT_FOR_US: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTTOU", "SIGTTIN", "SIGUSR1", "SIGUSR2")


class Reader:
    """Reads both pipes of the service without ever waiting; used by the pump, and by the launcher in its place.

    Args:
        pipes: the read ends (non-blocking), of standard output and standard error.
        area: the ring that it alone writes to.
        patient: see `Outlet`.
    """

    def __init__(self, pipes: tuple[int, int], area: Area, *, patient: bool) -> None:
        self._streams = dict(zip(pipes, STREAMS, strict=True))
        self._area = area
        self._patient = patient
        self._outlets: dict[int, Outlet] = {}
        self._counts = {
            stream: Counts(partial(area.passed, stream), partial(area.unpassed, stream)) for stream in STREAMS
        }

    def read(self, pipe: int) -> bool | None:
        """Take what is there: whether there was something; None at the end of the stream.

        A full chunk may end in the middle of what was written in one piece; before the other stream has its turn, so
        much is read on as the pipe can hold.
        """
        for taken in range(_MOST_CHUNKS):
            try:
                data = os.read(pipe, _CHUNK_BYTES)
            except BlockingIOError:
                return taken > 0
            if not data:
                return True if taken else None
            stream = self._streams[pipe]
            self._area.add(stream, data)
            self._outlet(stream).put(data, self._counts[stream])
            if len(data) < _CHUNK_BYTES or data.endswith(b"\n"):
                break
        return True

    def _outlet(self, stream: int) -> Outlet:
        """The way out of a stream, opened when it is needed first; one for both where both lead to one place.

        Two that write to one place at the same time would tear each other's lines apart.
        """
        if stream not in self._outlets:
            alike = next((one for one in self._outlets if _one_place(one, stream)), None)
            self._outlets[stream] = Outlet(stream, patient=self._patient) if alike is None else self._outlets[alike]
        return self._outlets[stream]

    def flush(self) -> None:
        """Pass on what is left; bounded."""
        for outlet in {*self._outlets.values()}:
            outlet.flush(STILL_S, AT_MOST_S)


def _one_place(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def main() -> None:
    """Read until both streams are at their end, whatever becomes of our parent: the service must be able to write."""
    memory, out, err = map(int, sys.argv[1:4])
    for name in _NOT_FOR_US:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    reader = Reader((out, err), Memory(memory).of_pump, patient=True)
    with selectors.DefaultSelector() as waiting:
        for pipe in (out, err):
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                if reader.read(key.fd) is None:
                    waiting.unregister(key.fd)
    reader.flush()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(0)  # a thread that is blocked on a frozen reader must not keep us


if __name__ == "__main__":
    main()
