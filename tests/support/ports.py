"""Free loopback ports below the range that the kernel gives to outgoing connections.

A client that retries a port of that range while nobody listens can connect to itself, and the port of a stopped server
can be taken by any outgoing connection before the server comes back.
"""

import os
import random
import socket
from collections import deque
from typing import Final

__all__ = ["free_port"]

_LOWEST: Final = 10_000
_HIGHEST: Final = 32_000
_TRIES: Final = 100
# Its own source: pytest-randomly seeds the global one alike in every worker, so that all of them would draw one port.
_dice: Final = random.SystemRandom()
# A port is often given long before somebody listens there, and a client that is still about goes on trying where its
# server was: nobody else of this run may get it.
_WORKERS: Final = 8
_worker: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_given: Final[deque[int]] = deque(maxlen=2000)


def free_port() -> int:
    """A loopback TCP port on which nobody listens at this moment."""
    for _ in range(_TRIES):
        port = _dice.randrange(_LOWEST + _worker, _HIGHEST, _WORKERS)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.append(port)
            return port
    raise RuntimeError(f"no free loopback port between {_LOWEST} and {_HIGHEST} in {_TRIES} tries")
