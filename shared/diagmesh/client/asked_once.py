"""One question to one coordinator, or to whichever the server picks, and what became of it so far."""

import asyncio
import secrets
from typing import Final

import msgspec

from diagmesh.bus.core import Bus, Message
from diagmesh.bus.joining import Joining
from diagmesh.contract.chunks import FROM_HEADER
from diagmesh.contract.mesh import ASK_HEADER, Ended
from diagmesh.contract.names import check_token
from diagmesh.contract.wire import Status
from diagmesh.errors import BadName, BusError, Unreadable

__all__ = ["AskedOnce", "new_ask_id"]

_BUSY: Final = 429
_NOT_NOW: Final = 503


class _Code(msgspec.Struct, gc=False):
    code: int = 0


class _End(msgspec.Struct, gc=False):
    ended: str = ""


class _Peek(msgspec.Struct, gc=False):
    """As much of a reply as it takes to see whether another coordinator could tell more."""

    instance: str = ""
    status: str = ""
    problem: _Code | None = None
    answer: _End | None = None


_peek: Final = msgspec.json.Decoder(_Peek)
_POOR: Final = {
    "": 0,
    "has just started or come back and does not know yet who is missing": 1,
    "lost its connection meanwhile": 2,
    "is busy": 3,
    "cannot tell now": 4,
}
_REAL, _WARMING, _LOST, _IS_BUSY, _CANNOT = _POOR


def new_ask_id() -> str:
    """A random id for one question, by which coordinators are asked who works on it."""
    return secrets.token_hex(8)


class AskedOnce:
    """One question with an inbox of its own, so that a refusal of one concerns no other.

    Args:
        bus: our connection.
        to: the coordinator's name; empty for whichever the server picks.
        news: set whenever something changes.

    `error` is that of our connection or a refusal of the server, `broken` a reply that cannot be read.
    """

    def __init__(self, bus: Bus, to: str, news: asyncio.Event) -> None:
        self.to = to
        self.message: Message | None = None
        self.nobody = False
        self.error: BusError | None = None
        self.broken: Unreadable | None = None
        self.instance = ""
        self.told = ""
        self._bus = bus
        self._news = news
        self._joining = Joining(f"diag.mesh, {_named(to)}" if to else "diag.mesh")
        self._inbox = bus.open_inbox(self._arrived, self._trouble)

    async def send(self, subject: str, body: bytes, ask_id: str) -> None:
        """Publish it; an error that the bus raises becomes `error`."""
        try:
            reply = self._inbox.reply_to(0, subject)
            await self._bus.publish(subject, body, reply=reply, headers={ASK_HEADER: ask_id})
        except BusError as error:
            self._trouble(error)

    def close(self) -> None:
        """What comes now is dropped."""
        self._inbox.close()

    @property
    def pending(self) -> bool:
        """Whether an answer may still come."""
        return self.message is None and not self.nobody and self.error is None and self.broken is None

    @property
    def name(self) -> str:
        """Who was asked, in words, as far as it is known."""
        return _named(self.instance or self.to)

    @property
    def missing(self) -> str:
        """How much of an answer in chunks came, when not all of it did; empty else."""
        return self._joining.missing()

    @property
    def real(self) -> bool:
        """Whether there is an answer that no other coordinator could better."""
        return self.message is not None and self.told == _REAL

    @property
    def fault(self) -> str:
        """What is poor about its answer, in words, or that there is none because it cannot be read; empty else."""
        return self.told or ("sent a reply that cannot be read" if self.broken is not None else "")

    @property
    def poverty(self) -> int:
        """How far the answer is from a real one."""
        return _POOR[self.told]

    def _arrived(self, message: Message) -> None:
        if self.message is None:
            if message.no_responders:
                self.nobody = True
            else:
                self._take(message)
        self._news.set()

    def _take(self, message: Message) -> None:
        """What cannot be read counts against this coordinator only, whatever else it sends."""
        try:
            whole = self._joining.whole(message)
            if whole is not None:
                self.instance, self.told = _seen(whole.data, _named(self.to))
                self.message = whole
        except Unreadable as error:
            self.broken = self.broken or error
            self.instance = self.instance or self.to or _sender(message)

    def _trouble(self, error: Exception) -> None:
        if self.error is None and self.message is None:
            self.error = error if isinstance(error, BusError) else BusError(str(error))
        self._news.set()


def _seen(data: bytes, who: str) -> tuple[str, str]:
    """Who replied, and what is poor about it.

    Raises:
        Unreadable: that is no reply.
    """
    try:
        peek = _peek.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable(f"the reply of {who}", str(error)) from None
    return _token(peek.instance), _told(peek)


def _told(peek: _Peek) -> str:
    code = peek.problem.code if peek.problem is not None else 0
    if code == _BUSY:
        return _IS_BUSY
    if code == _NOT_NOW and peek.status == Status.UNAVAILABLE:
        return _CANNOT
    ended = peek.answer.ended if peek.answer is not None else ""
    return {Ended.WARMING.value: _WARMING, Ended.CONNECTION_LOST.value: _LOST}.get(ended, _REAL)


def _sender(message: Message) -> str:
    """The coordinator that says that it sent this chunk; empty when none does."""
    service, _, instance = (message.headers or {}).get(FROM_HEADER, "").partition("/")
    return _token(instance) if service == "mesh" else ""


def _token(instance: str) -> str:
    """A name that a coordinator can have; empty for any other."""
    try:
        return check_token(instance, "instance")
    except BadName:
        return ""


def _named(name: str) -> str:
    return f"coordinator {name}" if name else "a coordinator"
