"""Passes output on to whoever started us, at his pace; nobody ever waits for him for long."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

__all__ = ["Counts", "Outlet"]


class Counts(NamedTuple):
    """Who is told of the bytes of one stream.

    Args:
        passed: how many went out.
        unpassed: how many were given up: the queue is full, or nobody is there to read.
    """

    passed: Callable[[int], None]
    unpassed: Callable[[int], None]


_QUEUE_BYTES: Final = 4 * 1024 * 1024
_PATIENCE_S: Final = 1.0
"""How long a reader who is a little slower than the service may hold it up in a row …"""
_PATIENCE_SHARE: Final = 0.05
"""… and which share of the time for good."""
_PIECE_BYTES: Final = 4096
"""Smaller pieces of one stream are joined, so that many of them cost no more than their bytes."""
_ALIVE_S: Final = 0.1
"""A reader who took nothing for so long is not waited for at all."""


class Outlet:
    """A descriptor, a bounded queue before it, and a thread that alone ever blocks on it.

    Args:
        descriptor: standard output or error as we were given it; it is never set to non-blocking, others share it.
        patient: whether `put` may wait a little for a reader who is merely slow.
    """

    def __init__(self, descriptor: int, *, patient: bool) -> None:
        self._descriptor = descriptor
        self._queue: deque[tuple[bytes, Counts]] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._moved_at = time.monotonic()
        self._patience_s = _PATIENCE_S if patient else 0.0
        self._patient = patient
        self._waited_at = time.monotonic()
        threading.Thread(target=self._run, name=f"outlet {descriptor}", daemon=True).start()

    def put(self, data: bytes, counts: Counts) -> None:
        """Pass this on later; when there is no room it is given up and counted."""
        with self._changed:
            if self._waiting + len(data) > _QUEUE_BYTES and not self._room_for(len(data)):
                counts.unpassed(len(data))
                return
            if not self._waiting:
                self._moved_at = time.monotonic()  # he can only be late from now on
            self._waiting += len(data)
            if len(self._queue) > 1 and self._queue[-1][1] == counts:  # the first one is being written
                last = self._queue[-1][0]
                if len(last) + len(data) <= _PIECE_BYTES:
                    self._queue.pop()
                    data = last + data
            self._queue.append((data, counts))
            self._changed.notify_all()

    def flush(self, still_s: float, at_most_s: float) -> bool:
        """Wait until all is passed on; not when nothing moved for ``still_s``, nor longer than ``at_most_s``."""
        deadline = time.monotonic() + at_most_s
        with self._changed:
            while self._waiting:
                rest_s = min(deadline, self._moved_at + still_s) - time.monotonic()
                if rest_s <= 0:
                    return False
                self._changed.wait(rest_s)
        return True

    def _room_for(self, size: int) -> bool:
        now = time.monotonic()
        if self._patient:
            self._patience_s = min(_PATIENCE_S, self._patience_s + _PATIENCE_SHARE * (now - self._waited_at))
        while self._waiting + size > _QUEUE_BYTES:
            now = time.monotonic()
            rest_s = min(self._patience_s, self._moved_at + _ALIVE_S - now)
            if rest_s <= 0:
                break
            self._changed.wait(rest_s)
            self._patience_s -= time.monotonic() - now
        self._waited_at = time.monotonic()
        return self._waiting + size <= _QUEUE_BYTES

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                data, counts = self._queue[0]
            went = self._write(data, counts.passed)
            with self._changed:
                self._queue.popleft()
                self._waiting -= len(data)
                counts.unpassed(len(data) - went)
                self._changed.notify_all()

    def _write(self, data: bytes, passed: Callable[[int], None]) -> int:
        """How much of it went out; the rest never will."""
        rest = memoryview(data)
        while rest:
            try:
                size = os.write(self._descriptor, rest)
            except BlockingIOError:  # somebody else made it non-blocking
                waiting = select.poll()
                waiting.register(self._descriptor, select.POLLOUT)
                waiting.poll()
                continue
            except OSError:
                break
            passed(size)
            self._moved_at = time.monotonic()
            rest = rest[size:]
        return len(data) - len(rest)
