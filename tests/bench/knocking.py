"""How long a service makes somebody else wait while it is looked at: small requests, again and again."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["knocking"]


@contextmanager
def knocking(port: int) -> Iterator[list[float]]:
    """How long a small request had to wait at most."""
    ended, longest_ms = threading.Event(), [0.0]

    def knock() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not ended.wait(0.002):
            began = time.perf_counter()
            connection.request("GET", "/debug/pprof/cmdline")
            connection.getresponse().read()
            longest_ms[0] = max(longest_ms[0], 1e3 * (time.perf_counter() - began))
        connection.close()

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        yield longest_ms
    finally:
        ended.set()
        thread.join()
