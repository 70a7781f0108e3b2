"""Replies as they arrive: decoded, attributed, counted once; whatever cannot be believed is kept with the reason."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from diagmesh.bus.core import Message
from diagmesh.contract.chunks import Taken
from diagmesh.contract.names import check_token, shown
from diagmesh.contract.plain import flaw_of
from diagmesh.contract.wire import Reply, Status
from diagmesh.errors import BadName
from diagmesh.expected import Expected, Key, label
from diagmesh.gather.allowance import Allowance
from diagmesh.gather.doubts import REASON_CHARACTERS, Doubts, mismatch
from diagmesh.gather.large import fits_in_chunks
from diagmesh.gather.pieces import Pieces
from diagmesh.gather.plan import Ask, Plan

__all__ = ["Tally"]

_MOST_BYTES: Final = 256 * 1024 * 1024
_LARGE_NEWCOMERS: Final = 16
"""So many whom nobody expected are asked once more for an answer that was too large."""

_reply: Final = msgspec.json.Decoder(Reply)


class _Origin(msgspec.Struct, gc=False):
    """What even a reply of a form that we do not know should say."""

    instance: str = ""


_origin: Final = msgspec.json.Decoder(_Origin)


class Tally:
    """The replies of one gather.

    Args:
        plan: what was asked whom.
        most_bytes: of replies kept; whatever comes after that is only counted. Where chunks were asked for, half of it,
            on top, may be held of replies that are not complete.
    """

    def __init__(self, plan: Plan, most_bytes: int = _MOST_BYTES) -> None:
        self.heard: dict[Key, Reply] = {}
        self.replies: list[Reply] = []
        self.newcomers: list[Key] = []
        self._doubts = Doubts()
        self.unexpected = self._doubts.unexpected
        self.rivals = self._doubts.rivals
        self.unreadable: dict[Key, str] = {}
        self.asked_at: datetime | None = None
        self.arrived_s: list[float] = []
        self.large: dict[Key, Reply] = {}
        self.on_large: Callable[[Key], None] = lambda _: None
        self._repeated: set[Key] = set()
        self._began = 0.0
        self._kind = plan.kind
        self._hoped = plan.hoped
        self._asks = [*plan.asks]
        self.known: dict[Key, Expected] = {one.key: one for one in plan.expected}
        self._large_newcomers = 0
        self._room = Allowance(plan, most_bytes)
        self._chunks = Pieces(plan, most_bytes // 2)

    @property
    def complete(self) -> bool:
        """Whether a reply of each of the expected was counted."""
        return len(self.heard) - len(self.newcomers) == len(self.known)

    def begin(self, now: float, asked_at: datetime) -> None:
        """The first question is about to be asked: monotonic seconds, and after that the wall clock was read."""
        # In this order what passes in between makes the replies come later, never sooner than they did.
        self._began, self.asked_at = now, asked_at

    def repeat(self, ask: Ask) -> int:
        """One instance is asked once more; returns the token of that question."""
        self._asks.append(ask)
        self._room.add()
        self._chunks.add()
        self._repeated.add(Key(ask.service, ask.instance))
        return len(self._asks) - 1

    def take(self, token: int, data: bytes, at: float = 0.0) -> Key | None:  # noqa: PLR0911  one for each fate
        """Count one reply; called for each message, so every microsecond counts.

        Args:
            token: which question it answers.
            data: what came.
            at: when it came, monotonic seconds; kept in `arrived_s` for each reply that is counted.

        Returns:
            Who is not to be waited for any longer: counted, or heard but `unreadable`. None: this changes nothing.
        """
        if not self._room.looks_at(token, len(data)):
            return None
        ask = self._asks[token]
        try:
            reply = _decoded(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return self._cannot_read(ask, data, error)
        key = Key(reply.service, reply.instance)
        if key[0] != ask.service or reply.kind != self._kind or (ask.instance and key[1] != ask.instance):
            self._doubts.add(key, mismatch(ask, self._kind, reply))
            return None
        if key in self.heard:
            self._doubts.twice(key, reply, self.heard[key], repeated=key in self._repeated)
            return None
        if key in self.large and reply.problem is not None and fits_in_chunks(reply):
            return None  # who was asked once more says it twice; it is being fetched
        if key not in self.known and not _can_be(key[1]):
            self._doubts.add(key, "answers under a name that no sidecar can have")
            return None
        if not self._room.keeps(len(data), newcomer=self._is_new(key)):
            return None
        if key not in self.known and key not in self.large:
            self.newcomers.append(key)
        if reply.problem is not None and fits_in_chunks(reply) and self._may_be_fetched(key):
            self.large[key] = reply
            self.on_large(key)
            return None
        return self._count(key, reply, at)

    def _is_new(self, key: Key) -> bool:
        """Whether nobody expected or hoped for this one."""
        return key not in self.known and key not in self._hoped

    def _may_be_fetched(self, key: Key) -> bool:
        self._large_newcomers += self._is_new(key)
        return not self._is_new(key) or self._large_newcomers <= _LARGE_NEWCOMERS

    def again(self, key: Key, data: bytes, at: float, why: str = "") -> Key | None:
        """What came of asking for a large answer in chunks; if it is no answer, the first word of it is counted.

        Args:
            key: whose.
            data: the reply.
            at: as of `take`.
            why: the reason why there is none.

        Returns:
            As `take`.
        """
        first = self.large.get(key)
        if first is None or key in self.heard:
            return None
        try:
            reply = _decoded(data) if not why else first
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            reply, why = first, f"its reply cannot be read: {error}"
        if not why and ((reply.service, reply.instance) != key or reply.kind != self._kind):
            why = "somebody else replied"
        if not why and not self._room.keeps(len(data), newcomer=self._is_new(key)):
            why = "there was no room for it"
        if why:
            self._doubts.add(key, f"its answer did not come in chunks: {why}")
        return self._count(key, reply if not why and reply.status is Status.ANSWERED else first, at)

    def settle(self, at: float) -> None:
        """Count the large answers that did not come in time by the first word of them: that they are too large."""
        for key in [key for key in self.large if key not in self.heard]:
            self._count(key, self.large[key], at)

    def _count(self, key: Key, reply: Reply, at: float) -> Key:
        self.heard[key] = reply
        self.large.pop(key, None)
        self.replies.append(reply)
        self.arrived_s.append(at - self._began)
        return key

    def chunk(self, token: int, message: Message, at: float) -> Key | None:
        """Keep one chunk of a reply, and count the reply when it is whole; arguments and result as of `take`."""
        taken = self._chunks.take(token, message)
        if taken is None:
            self._doubts.uncounted += 1
            return None
        if taken.data is not None:
            return self.take(token, taken.data, at)
        return self._broken(token, taken) if taken.wrong else None

    def unread(self) -> dict[Key, str]:
        """Whose reply came and cannot be read, with the reason; call it when no more is taken."""
        for token, lost in self._chunks.incomplete():
            self._broken(token, lost)
        return self.unreadable

    def _broken(self, token: int, taken: Taken) -> Key | None:
        """A reply came in chunks that will never be a whole one; its sender is known by his own word only."""
        ask = self._asks[token]
        service, _, instance = taken.origin.partition("/")
        key = Key(ask.service, instance if service == ask.service and instance else ask.instance)
        return None if key in self.heard or key in self.unreadable else self._unread(key, taken.wrong)

    def notes(self) -> list[str]:
        """What limits the count, in words."""
        notes = []
        if uncounted := self._doubts.uncounted + self._room.refused:
            notes.append(f"{uncounted} further replies were not counted")
        if self.newcomers:
            names = ", ".join(label(key) for key in self.newcomers[:5])
            notes.append(f"{len(self.newcomers)} answered before a heartbeat of theirs was heard: {names}")
        return notes

    def _cannot_read(self, ask: Ask, data: bytes, error: Exception) -> Key | None:
        reason = shown(f"its reply cannot be read: {error}", REASON_CHARACTERS)
        try:
            instance = _origin.decode(data).instance or ask.instance
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            instance = ask.instance
        return self._unread(Key(ask.service, instance), reason)

    def _unread(self, key: Key, reason: str) -> Key | None:
        self._doubts.add(key, reason)
        if key in self.known and key not in self.heard:
            self.unreadable[key] = reason
            return key
        return None


def _decoded(data: bytes) -> Reply:
    reply = _reply.decode(data)
    if not data.isascii():
        data.decode()  # the answer is handed on as it came: nobody else looks whether it is text at all
    if isinstance(reply.answer, msgspec.Raw) and (flaw := flaw_of(bytes(reply.answer))):
        raise msgspec.DecodeError(flaw)
    return reply


def _can_be(instance: str) -> bool:
    try:
        check_token(instance, "instance")
    except BadName:
        return False
    return True
