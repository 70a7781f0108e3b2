"""Reply subjects: one wildcard subscription per connection, tokens below it, nothing subscribed per request."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from diagmesh.bus.core import Handler, Message, Subscription
from diagmesh.bus.joining import Joining
from diagmesh.errors import DiagmeshError, NoAnswer, NoResponders, Unreadable

__all__ = ["Inboxes", "OpenInbox", "request"]

log = logging.getLogger("diagmesh.bus")

Trouble = Callable[[Exception], None]


class _Wire(Protocol):
    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription: ...

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None: ...


class Inboxes:
    """All open inboxes of one bus, told apart by the token before the last of the reply subject."""

    def __init__(self, prefix: str) -> None:
        self._base: Final = f"{prefix}.{secrets.token_hex(8)}"
        self._open: dict[str, OpenInbox] = {}
        self._asked: dict[str, set[OpenInbox]] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def subject(self) -> str:
        """What the bus must be subscribed to before the first question goes out."""
        return f"{self._base}.*.*"

    def owns(self, reply: str) -> bool:
        """Whether a reply subject is one of ours."""
        return reply.startswith(self._base)

    def open(self, handler: Handler, on_trouble: Trouble) -> "OpenInbox":
        """A new inbox; see `diagmesh.bus.core.Bus.open_inbox`."""
        # Not to be guessed: whoever knows a reply subject can have an innocent member answer there for him.
        inbox = OpenInbox(self, secrets.token_hex(8), handler, on_trouble)
        self._open[inbox.name] = inbox
        return inbox

    def deliver(self, message: Message) -> None:
        """Hand an arrival to its inbox; whatever answers no question of ours (any more) is dropped."""
        _, name, token = message.subject.rsplit(".", 2)
        inbox = self._open.get(name)
        if inbox is not None and token in inbox.tokens:
            inbox.handler(message)

    def all_in_trouble(self, error: Exception) -> None:
        """Tell every open inbox that waiting is pointless."""
        for inbox in list(self._open.values()):
            _tell(inbox, error)

    def subject_in_trouble(self, subject: str, error: Exception) -> bool:
        """Tell the inboxes that asked on a subject; returns whether any did."""
        askers = self._asked.get(subject, set())
        for inbox in list(askers):
            _tell(inbox, error)
        return bool(askers)

    def _note(self, subject: str, inbox: "OpenInbox") -> None:
        self._asked.setdefault(subject, set()).add(inbox)

    def _forget(self, inbox: "OpenInbox", subjects: set[str]) -> None:
        self._open.pop(inbox.name, None)
        for subject in subjects:
            askers = self._asked.get(subject)
            if askers is not None:
                askers.discard(inbox)
                if not askers:
                    del self._asked[subject]

    def reply_subject(self, name: str, token: int) -> str:
        """The full reply subject of one token of one inbox."""
        return f"{self._base}.{name}.{token}"


class OpenInbox:
    """The reply subjects of one gather or one request."""

    __slots__ = ("_home", "_subjects", "handler", "name", "on_trouble", "tokens")

    def __init__(self, home: Inboxes, name: str, handler: Handler, on_trouble: Trouble) -> None:
        self._home = home
        self._subjects: set[str] = set()
        self.tokens: set[str] = set()
        self.name = name
        self.handler = handler
        self.on_trouble = on_trouble

    def reply_to(self, token: int, subject: str) -> str:
        """See `diagmesh.bus.core.Inbox.reply_to`."""
        if subject not in self._subjects:
            self._subjects.add(subject)
            self._home._note(subject, self)
        self.tokens.add(str(token))
        return self._home.reply_subject(self.name, token)

    def close(self) -> None:
        """See `diagmesh.bus.core.Inbox.close`."""
        self._home._forget(self, self._subjects)
        # Whoever holds us is held by these, and would wait for the collector of garbage with all that he has gathered.
        self.handler = self.on_trouble = _closed


def _closed(_: object) -> None:
    """What comes now is dropped."""


def _tell(inbox: OpenInbox, error: Exception) -> None:
    try:
        inbox.on_trouble(error)
    except Exception:  # one asker must not keep the news from the others
        log.exception("somebody who waits for answers could not be told of %s", type(error).__name__)


class _Awaited:
    """The reply that one request waits for."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._joining = Joining(subject)

    def arrived(self, message: Message) -> None:
        if self.reply.done():
            return
        try:
            whole = self._joining.whole(message)
        except Unreadable as error:
            self.trouble(error)
            return
        if whole is not None:
            self.reply.set_result(whole)

    def trouble(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)

    def late(self, timeout_s: float) -> NoAnswer:
        if missing := self._joining.missing():
            return NoAnswer(f"{missing} within {timeout_s:g} s")
        return NoAnswer(f"no answer on {self.subject} within {timeout_s:g} s, although nobody refused it")


async def request(
    inboxes: Inboxes, wire: _Wire, subject: str, data: bytes, timeout_s: float, headers: Mapping[str, str] | None
) -> Message:
    """Ask and wait for the first reply; see `diagmesh.bus.core.Bus.request`."""
    awaited = _Awaited(subject)
    inbox = inboxes.open(awaited.arrived, awaited.trouble)
    try:
        await wire.publish(subject, data, reply=inbox.reply_to(0, subject), headers=headers)
        async with asyncio.timeout(timeout_s):
            message = await awaited.reply
    except TimeoutError:
        raise awaited.late(timeout_s) from None
    except DiagmeshError:
        if awaited.reply.done() and not awaited.reply.cancelled():
            awaited.reply.exception()
        raise
    finally:
        inbox.close()
    if message.no_responders:
        raise NoResponders(f"nobody listens on {subject}")
    return message
