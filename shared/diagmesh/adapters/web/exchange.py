"""One HTTP request and its answer on a socket of ours, in a thread that never outstays its deadline."""

import contextlib
import http.client
import io
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from diagmesh.adapters.web.given import Url
from diagmesh.adapters.web.tls import Tls, tls_fault
from diagmesh.adapters.web.visit import BEGAN_TO_ANSWER, Fault, Visit

__all__ = ["Exchange"]

_PIECE_BYTES: Final = 64 * 1024
_GREETINGS: Final = {"\x15\x03": "TLS: use https", "SSH-": "SSH", "INFO ": "NATS"}
_BROKEN_OFF: Final = "the connection broke in the middle of the answer"


class Exchange:
    """One request and its answer on a socket of ours, with one deadline over every single read and write."""

    def __init__(self, plug: socket.socket, visit: Visit, to: Url, tls: Tls | None) -> None:
        self._plug = plug
        self._visit = visit
        self._url = to
        self._tls = tls
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the socket; the thread that uses it does so."""
        with self._lock:
            self._plug.close()

    def abort(self) -> None:
        """Wake the thread, wherever it waits; it then closes the socket. Safe to call at any time."""
        with self._lock:
            if self._plug.fileno() >= 0:
                _shut(self._plug)

    def ask(self, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Send the request and read the answer up to its body."""
        try:
            if self._tls is not None:
                self._handshake(self._tls)
            self._visit.enter("first_byte")
            connection = http.client.HTTPConnection(self._url.host, self._url.port)
            connection.sock = _Guarded(self._plug, self._visit)
            connection.putrequest("GET", self._url.path, skip_host=True)
            for name, value in self._with_defaults(headers).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._fault(error) from None
        self._visit.status_code = response.status
        return response

    def copy(self, response: http.client.HTTPResponse, limit_bytes: int, sink: Callable[[memoryview], object]) -> int:
        """Hand the body to ``sink``, piece by piece, up to so many bytes; returns how many there were."""
        view, left = memoryview(bytearray(min(_PIECE_BYTES, max(1, limit_bytes)))), limit_bytes
        try:
            while left and (count := response.readinto(view[:left])):
                sink(view[:count])
                left -= count
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._fault(error) from None
        if response.length and left:  # a partial read does not complain by itself
            raise Fault(_BROKEN_OFF)
        return limit_bytes - left

    def goes_on(self, response: http.client.HTTPResponse) -> bool:
        """Whether the body goes on after what was read of it; waits for a byte where its length was not told."""
        if response.length is not None:
            return response.length > 0
        try:
            return bool(response.read(1))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._fault(error) from None

    def _handshake(self, tls: Tls) -> None:
        self._visit.enter("tls")
        context = tls.context()
        with self._lock:
            self._plug = context.wrap_socket(self._plug, server_hostname=self._url.host, do_handshake_on_connect=False)
        self._plug.settimeout(self._visit.left_s())
        self._plug.do_handshake()

    def _with_defaults(self, headers: Mapping[str, str]) -> dict[str, str]:
        given = {name.lower() for name in headers}
        defaults = {"Host": self._url.host_header, "Accept": "*/*", "Connection": "close"}
        if self._url.authorization:
            defaults["Authorization"] = self._url.authorization
        return {name: value for name, value in defaults.items() if name.lower() not in given} | dict(headers)

    def _fault(self, error: Exception) -> Exception:
        if isinstance(error, TimeoutError):
            return self._visit.timed_out()
        if isinstance(error, ssl.SSLError):
            return tls_fault(error)
        if self._visit.phase == "tls":
            return Fault("closed the connection during the TLS handshake: it may speak no TLS (plain text)")
        return Fault(_broken_http(error, began=self._visit.phase == BEGAN_TO_ANSWER))


def _broken_http(error: Exception, *, began: bool) -> str:
    if isinstance(error, http.client.RemoteDisconnected | ConnectionError) and not began:
        return "took the connection, then closed it without an answer"
    if isinstance(error, http.client.IncompleteRead | ConnectionError):
        return _BROKEN_OFF
    if isinstance(error, http.client.BadStatusLine):
        line = str(error.args[0]) if error.args else ""
        tongues = (tongue for start, tongue in _GREETINGS.items() if line.startswith(start))
        return "answers, but not in HTTP" + "".join(f" (it speaks {tongue})" for tongue in tongues)
    return f"answers with broken HTTP ({type(error).__name__})"


def _shut(plug: socket.socket) -> None:
    """End both directions below TLS, so that a thread inside a TLS call wakes without its state being pulled away."""
    with contextlib.suppress(OSError):  # not connected any more
        socket.socket.shutdown(plug, socket.SHUT_RDWR)


class _Guarded:
    """What `http.client` uses of a socket, with the deadline of the look over all of it."""

    def __init__(self, plug: socket.socket, visit: Visit) -> None:
        self._plug = plug
        self._visit = visit

    def sendall(self, data: bytes) -> None:
        self._plug.settimeout(self._visit.left_s())
        self._plug.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Drip(self._plug, self._visit))

    def close(self) -> None:
        """The exchange closes the socket."""


class _Drip(io.RawIOBase):
    """Reads that share one deadline: a server that sends a byte each second gains nothing by it."""

    def __init__(self, plug: socket.socket, visit: Visit) -> None:
        self._plug = plug
        self._visit = visit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._plug.settimeout(self._visit.left_s())
        count = self._plug.recv_into(buffer)
        if count and self._visit.phase == "first_byte":
            self._visit.enter(BEGAN_TO_ANSWER)
        return count
