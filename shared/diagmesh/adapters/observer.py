"""The observer connection, as agents see it: a bus in the account of the application that may only ask and listen."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from diagmesh.appnats import AppReply
from diagmesh.errors import BusError, NoAnswer, NoResponders

if TYPE_CHECKING:  # the caller brings the bus
    from diagmesh.bus.core import Bus, Message, StateChange

__all__ = ["Observer"]

_MARGIN_S: Final = 0.02


class Observer:
    """`diagmesh.appnats.AppNats` on a bus of the caller's, who starts and closes it."""

    there = True

    def __init__(self, bus: "Bus") -> None:
        self._bus = bus
        self._wanted: set[str] = set()
        self.unheard: dict[str, str] = {}

    @property
    def state(self) -> str:
        """Where it stands."""
        now = self._bus.state
        return str(now.state) if str(now.state) == "connected" else now.reason or str(now.state)

    @property
    def server(self) -> str:
        """Name of its server."""
        return self._bus.server

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_s: float = 1.0, headers: Mapping[str, str] | None = None
    ) -> AppReply:
        """See `diagmesh.appnats.AppNats.request`."""
        return _told(await self._bus.request(subject, data, timeout_s=timeout_s, headers=headers))

    async def gather(
        self,
        subject: str,
        data: bytes = b"",
        *,
        timeout_s: float = 1.0,
        quiet_s: float = 0.1,
        most: int = 64,
        headers: Mapping[str, str] | None = None,
        reply_header: str = "",
    ) -> Sequence[AppReply]:
        """See `diagmesh.appnats.AppNats.gather`."""
        heard = _Heard(most)
        inbox = self._bus.open_inbox(heard.message, heard.trouble)
        try:
            to = inbox.reply_to(0, subject)
            if reply_header:
                inbox.reply_to(0, to)  # where answers arrive by our own right to publish, a refusal concerns us, too
                await self._bus.publish(subject, data, headers={**(headers or {}), reply_header: to})
            else:
                await self._bus.publish(subject, data, reply=to, headers=headers)
            await heard.until_quiet(timeout_s, quiet_s)
        finally:
            inbox.close()
        if heard.error is not None and not heard.replies:
            raise heard.error
        if not heard.replies and not reply_header:
            raise NoAnswer(f"no answer on {subject} within {timeout_s:g} s, although nobody refused it")
        return tuple(heard.replies)

    async def listen(self, subject: str, hear: Callable[[AppReply], None]) -> Callable[[], Awaitable[None]]:
        """See `diagmesh.appnats.AppNats.listen`."""
        if not self._wanted:
            self._bus.watch(self._changed)
        self._wanted.add(subject)
        subscription = await self._bus.subscribe(subject, lambda message: hear(_told(message)))
        return subscription.unsubscribe

    def _changed(self, change: "StateChange") -> None:
        """A refusal of a subscription is heard later than it is made, and tells of the connection of now only."""
        if str(change.state) == "connected" and not change.reason:
            self.unheard.clear()
        self.unheard |= {
            subject: change.reason for subject in self._wanted if f"may not subscribe {subject} (" in change.reason
        }


class _Heard:
    """What came to one gather."""

    def __init__(self, most: int) -> None:
        self.replies: list[AppReply] = []
        self.error: BusError | None = None
        self._most = most
        self._news = asyncio.Event()

    def message(self, message: "Message") -> None:
        if message.no_responders:
            self.error = NoResponders("nobody listens there")
        elif len(self.replies) < self._most:
            self.replies.append(_told(message))
        self._news.set()

    def trouble(self, error: Exception) -> None:
        self.error = error if isinstance(error, BusError) else BusError(str(error))
        self._news.set()

    async def until_quiet(self, timeout_s: float, quiet_s: float) -> None:
        """For the first message as long as there is time, then for others until it is quiet."""
        started = time.monotonic()
        pause_s = timeout_s
        while len(self.replies) < self._most and self.error is None:
            try:
                async with asyncio.timeout(pause_s):
                    await self._news.wait()
            except TimeoutError:
                return
            self._news.clear()
            passed_s = time.monotonic() - started
            pause_s = min(max(quiet_s, 3 * passed_s), max(0.0, timeout_s - passed_s - _MARGIN_S))


def _told(message: "Message") -> AppReply:
    return AppReply(message.subject, message.data, message.headers or {})
