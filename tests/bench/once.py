"""Ask until somebody answers: how long did that take?"""

import socket
import time
from urllib.parse import urlsplit

__all__ = ["first_answer_s"]

_PAUSE_S = 0.002
_INBOX = b"_INBOX.bench.once"


def first_answer_s(url: str, subject: str, timeout_s: float = 20.0) -> float:
    """Seconds until a question on ``subject`` gets an answer that is no refusal.

    Raises:
        TimeoutError: nobody answered in time.
    """
    where = urlsplit(url)
    started = time.perf_counter()
    with socket.create_connection((where.hostname, where.port), timeout=timeout_s) as connection:
        lines = connection.makefile("rb")
        lines.readline()  # the greeting
        connection.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB %b 1\r\n' % _INBOX)
        while time.perf_counter() - started < timeout_s:
            connection.sendall(b"PUB %b %b 0\r\n\r\n" % (subject.encode(), _INBOX))
            words = lines.readline().split()
            while not words or words[0] not in (b"MSG", b"HMSG"):
                if words and words[0] == b"PING":
                    connection.sendall(b"PONG\r\n")
                words = lines.readline().split()
            lines.read(int(words[-1]) + 2)
            if words[0] == b"MSG":
                return time.perf_counter() - started
            time.sleep(_PAUSE_S)
    raise TimeoutError(f"no answer on {subject} within {timeout_s:g} s")
