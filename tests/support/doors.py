"""Small servers on loopback that do exactly what a test says, good or bad."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["ListensOnly", "Script", "answers", "closed_port", "http_answer", "listens_only", "scripted"]

Script = Callable[[socket.socket], None]
"""What to do with one connection; it is closed afterwards."""

_ACCEPT_S: Final = 0.05
_CONNECTION_S: Final = 10.0


class _Door:
    """A listening socket whose connections are each given to the script, one thread for each."""

    def __init__(self, script: Script, certificate: tuple[Path, Path] | None) -> None:
        self._script = script
        self._context = _context(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_ACCEPT_S)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """End it and every connection."""
        self._ended.set()
        for thread in self._threads:
            thread.join(_CONNECTION_S)
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                plug, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(plug,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plug: socket.socket) -> None:
        plug.settimeout(_CONNECTION_S)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(plug)
            if self._context is not None:
                plug = stack.enter_context(self._context.wrap_socket(plug, server_side=True))
            self._script(plug)


def _context(certificate: tuple[Path, Path] | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@contextlib.contextmanager
def scripted(script: Script, certificate: tuple[Path, Path] | None = None) -> Iterator[_Door]:
    """A server that does what the script says with each connection."""
    door = _Door(script, certificate)
    try:
        yield door
    finally:
        door.close()


def http_answer(status: str = "200 OK", body: bytes = b"ok", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(data: bytes, heard: list[bytes] | None = None) -> Script:
    """Read one request, remember it, send ``data``."""

    def script(plug: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            more = plug.recv(65536)
            if not more:
                return
            request += more
        if heard is not None:
            heard.append(request)
        plug.sendall(data)

    return script


class ListensOnly:
    """A listener whose accept queue is full: a further connection attempt gets no answer at all."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._fill: list[socket.socket] = []
        for _ in range(4):
            plug = socket.socket()
            plug.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                plug.connect(self._listener.getsockname())
            self._fill.append(plug)

    def close(self) -> None:
        """End it."""
        for plug in (*self._fill, self._listener):
            plug.close()


@contextlib.contextmanager
def listens_only() -> Iterator[ListensOnly]:
    """A door that swallows connection attempts."""
    door = ListensOnly()
    try:
        yield door
    finally:
        door.close()


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])
