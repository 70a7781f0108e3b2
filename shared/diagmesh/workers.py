"""Threads for blocking looks: a small pool for each kind, so that one kind that hangs cannot starve another.

A thread cannot be ended from outside and so outlives the time-out of its question. `KindThreads` is installed as the
default executor of the event loop: ``asyncio.to_thread`` in an agent lands in the pool of the kind that asks.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from diagmesh.errors import Unavailable

__all__ = ["KindThreads", "current_kind"]

current_kind: Final[ContextVar[str]] = ContextVar("diagmesh_kind", default="")
"""The kind whose agent runs in this context; set by the runtime."""

_THREADS_PER_KIND: Final = 4
_QUEUE_PER_KIND: Final = 64
_HANGING_S: Final = 10.0
T = TypeVar("T")


class _Pool:
    """The threads of one kind, with what is running and since when."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._executor = ThreadPoolExecutor(_THREADS_PER_KIND, thread_name_prefix=f"look-{kind or 'own'}")
        self._since: dict[int, float] = {}
        self._waiting = 0
        self._count = 0

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        self._check()
        self._count += 1
        number = self._count
        self._waiting += 1

        def run() -> T:
            self._waiting -= 1
            self._since[number] = time.monotonic()
            try:
                return work()
            finally:
                self._since.pop(number, None)

        future = self._executor.submit(run)
        future.add_done_callback(self._cancelled)
        return future

    def _cancelled(self, done: "Future[Any]") -> None:
        if done.cancelled():
            self._waiting -= 1

    def _check(self) -> None:
        hanging = self.hanging()
        if hanging >= _THREADS_PER_KIND:
            raise Unavailable(
                f"{hanging} earlier looks for {self._kind} still hang in the system",
                hint="a file system or device does not answer; see the state of the sidecar's threads",
            )
        if self._waiting >= _QUEUE_PER_KIND:
            raise Unavailable(f"{self._waiting} looks for {self._kind} wait already")

    def hanging(self) -> int:
        """How many looks have run for longer than any budget allows."""
        now = time.monotonic()
        return sum(now - since > _HANGING_S for since in list(self._since.values()))

    def running(self) -> int:
        """How many looks run now."""
        return len(self._since)

    def shutdown(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


class KindThreads(ThreadPoolExecutor):
    """The default executor of a member's event loop."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)  # the event loop insists on this class; the pools below do the work
        self._pools: dict[str, _Pool] = {}

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Run in the pool of the kind that asks.

        Raises:
            Unavailable: the threads of this kind all hang, or too many looks wait for one.
        """
        kind = current_kind.get()
        pool = self._pools.get(kind)
        if pool is None:
            pool = self._pools[kind] = _Pool(kind)
        return pool.submit(lambda: fn(*args, **kwargs))

    def running(self) -> int:
        """How many looks run now, over all kinds; what still runs after a drain hangs."""
        return sum(pool.running() for pool in self._pools.values())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  never waits: see above
        """Take no more work; threads that hang are left behind for the process to end with."""
        for pool in self._pools.values():
            pool.shutdown()
        super().shutdown(wait=False, cancel_futures=True)
