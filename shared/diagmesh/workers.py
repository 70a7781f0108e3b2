"""Threads for blocking looks: a small pool for each kind, so that one kind that hangs cannot starve another.

A thread cannot be ended from outside and so outlives the time-out of its question. `KindThreads` is installed as the
default executor of the event loop: ``asyncio.to_thread`` in an agent lands in the pool of the kind that asks.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from diagmesh.errors import Unavailable

__all__ = ["KindThreads", "current_budget_s", "current_kind"]

current_kind: Final[ContextVar[str]] = ContextVar("diagmesh_kind", default="")
"""The kind whose agent runs in this context; set by the runtime."""

current_budget_s: Final[ContextVar[float]] = ContextVar("diagmesh_budget_s", default=0.0)
"""How long the question in this context may take, seconds; set by the runtime."""

_THREADS_PER_KIND: Final = 4
_QUEUE_PER_KIND: Final = 64
_HANGING_S: Final = 10.0
"""A thread that runs for longer than this, and for longer than the budget of its question, hangs."""
T = TypeVar("T")


class _Pool:
    """The threads of one kind, with what is running and since when."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._executor = ThreadPoolExecutor(_THREADS_PER_KIND, thread_name_prefix=f"look-{kind or 'own'}")
        self._lock = threading.Lock()  # counted from the event loop and from the threads of the pool
        self._late_at: dict[int, float] = {}
        self._waiting = 0
        self._count = 0

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        with self._lock:
            self._check()
            self._count += 1
            number = self._count
            self._waiting += 1
        patience_s = max(_HANGING_S, current_budget_s.get())

        def run() -> T:
            with self._lock:
                self._waiting -= 1
                self._late_at[number] = time.monotonic() + patience_s
            try:
                return work()
            finally:
                with self._lock:
                    del self._late_at[number]

        future = self._executor.submit(run)
        future.add_done_callback(self._cancelled)
        return future

    def _cancelled(self, done: "Future[Any]") -> None:
        if done.cancelled():
            with self._lock:
                self._waiting -= 1

    def _check(self) -> None:
        now = time.monotonic()
        hanging = sum(now > late_at for late_at in self._late_at.values())
        if hanging >= _THREADS_PER_KIND:
            raise Unavailable(
                f"{hanging} earlier looks for {self._kind} still hang in the system",
                hint="a file system or device does not answer; see the state of the sidecar's threads",
            )
        if self._waiting >= _QUEUE_PER_KIND:
            raise Unavailable(f"{self._waiting} looks for {self._kind} wait already")

    def running(self) -> int:
        """How many looks run now."""
        return len(self._late_at)

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
