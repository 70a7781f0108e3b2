"""Blocking work in a thread of its own, which never keeps the loop or the process waiting."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


def in_thread(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Start ``work`` in a thread and return the future of its outcome.

    Not the loop's pool: it is small and shared, so that a few doors that hang would keep other readers waiting, and
    its threads are joined at exit. How many run at a time is bounded by the callers: one per probe or expensive look.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # None only when T is None
            return
        future.set_exception(error)
        future.exception()  # an outcome that nobody waits for any more is no news

    def run() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  handed over to whoever waits
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(deliver, result, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
