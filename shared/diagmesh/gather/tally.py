"""Replies as they arrive: decoded, attributed, counted once; whatever cannot be believed is kept with the reason."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from diagmesh.bus.core import Message
from diagmesh.contract.chunks import Assemblies, Taken
from diagmesh.contract.mesh import Rival, Unexpected
from diagmesh.contract.names import check_token, shown
from diagmesh.contract.wire import Reply, Status
from diagmesh.errors import BadName
from diagmesh.expected import Expected, Key, label
from diagmesh.gather.large import fits_in_chunks
from diagmesh.gather.plan import Ask, Plan

__all__ = ["Tally"]

_MOST_UNEXPECTED: Final = 100
_NEWCOMERS: Final = 1024
"""Replies taken per question above those expected; whoever sends more is cut off."""
_MOST_BYTES: Final = 256 * 1024 * 1024
_REASON_CHARACTERS: Final = 300
_NAME_CHARACTERS: Final = 63
_MOST_RIVALS: Final = 4

_reply: Final = msgspec.json.Decoder(Reply)


class _Origin(msgspec.Struct, gc=False):
    """What even a reply of a form that we do not know should say."""

    instance: str = ""


_origin: Final = msgspec.json.Decoder(_Origin)


class Tally:
    """The replies of one gather.

    Args:
        plan: what was asked whom.
        most_bytes: of replies taken; whatever comes after that is only counted. Half of it, on top, may be held of
            those in chunks that are not complete.
    """

    def __init__(self, plan: Plan, most_bytes: int = _MOST_BYTES) -> None:
        self.heard: dict[Key, Reply] = {}
        self.replies: list[Reply] = []
        self.newcomers: list[Key] = []
        self.unexpected: list[Unexpected] = []
        self.unreadable: dict[Key, str] = {}
        self.asked_at: datetime | None = None
        self.arrived_s: list[float] = []
        self.rivals: dict[Key, tuple[Rival, ...]] = {}
        self.large: dict[Key, Reply] = {}
        self.on_large: Callable[[Key], None] = lambda _: None
        self._repeated: set[Key] = set()
        self._began = 0.0
        self._kind = plan.kind
        self._asks = [*plan.asks]
        self.known: dict[Key, Expected] = {one.key: one for one in plan.expected}
        self._uncounted = 0
        self._bytes_left = most_bytes
        self._chunks = Assemblies(most_bytes // 2)
        counts: dict[str, int] = {}
        for one in plan.expected:
            counts[one.key.service] = counts.get(one.key.service, 0) + 1
        self._room = [_NEWCOMERS + (0 if ask.instance else 2 * counts.get(ask.service, 0)) for ask in plan.asks]

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
        self._room.append(_NEWCOMERS)
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
        self._room[token] -= 1
        self._bytes_left -= len(data)
        if self._room[token] < 0 or self._bytes_left < 0:
            self._uncounted += 1
            return None
        ask = self._asks[token]
        try:
            reply = _decoded(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return self._cannot_read(ask, data, error)
        key = Key(reply.service, reply.instance)
        if key[0] != ask.service or reply.kind != self._kind or (ask.instance and key[1] != ask.instance):
            self._doubt(key, self._mismatch(ask, reply))
            return None
        if key in self.heard:
            self._again(key, reply)
            return None
        if key not in self.known:
            if not _can_be(key[1]):
                self._doubt(key, "answers under a name that no sidecar can have")
                return None
            if key not in self.large:
                self.newcomers.append(key)
        if reply.problem is not None and fits_in_chunks(reply):
            if key not in self.large:  # who was asked once more says it twice; it is being fetched
                self.large[key] = reply
                self.on_large(key)
            return None
        return self._count(key, reply, at)

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
        self._bytes_left -= len(data)
        try:
            reply = _decoded(data) if not why else first
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            reply, why = first, f"its reply cannot be read: {error}"
        if not why and ((reply.service, reply.instance) != key or reply.kind != self._kind):
            why = "somebody else replied"
        if not why and self._bytes_left < 0:
            why = "there was no room for it"
        if why:
            self._doubt(key, shown(f"its answer did not come in chunks: {why}", _REASON_CHARACTERS))
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
        taken = self._chunks.take(token, message.headers or {}, message.data)
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
        return None if key in self.heard else self._unread(key, taken.wrong)

    def notes(self) -> list[str]:
        """What limits the count, in words."""
        notes = []
        if self._uncounted:
            notes.append(f"{self._uncounted} further replies were not counted")
        if self.newcomers:
            names = ", ".join(label(key) for key in self.newcomers[:5])
            notes.append(f"{len(self.newcomers)} answered before a heartbeat of theirs was heard: {names}")
        return notes

    def _again(self, key: Key, reply: Reply) -> None:
        """A second reply to one question: of the same start it is a repetition, of another there are two of them."""
        if key in self._repeated and _rival(reply).boot == _rival(self.heard[key]).boot:
            return  # it had heard the first question after all
        self._doubt(key, _twice(reply, self.heard[key]))
        rivals = self.rivals.get(key) or (_rival(self.heard[key]),)
        if len(rivals) < _MOST_RIVALS and _rival(reply).boot not in [one.boot for one in rivals]:
            self.rivals[key] = (*rivals, _rival(reply))

    def _mismatch(self, ask: Ask, reply: Reply) -> str:
        if reply.service != ask.service:
            return f"arrived where only {ask.service} can answer, but names itself otherwise"
        if reply.kind != self._kind:
            return f"answers the kind {shown(reply.kind, _NAME_CHARACTERS)!r}, not {self._kind!r}"
        return f"arrived where only {ask.service}/{ask.instance} was asked"

    def _doubt(self, key: Key, reason: str) -> None:
        if len(self.unexpected) < _MOST_UNEXPECTED:
            service, instance = shown(key[0], _NAME_CHARACTERS), shown(key[1], _NAME_CHARACTERS)
            self.unexpected.append(Unexpected(service=service, instance=instance, reason=reason))
        else:
            self._uncounted += 1

    def _cannot_read(self, ask: Ask, data: bytes, error: Exception) -> Key | None:
        reason = shown(f"its reply cannot be read: {error}", _REASON_CHARACTERS)
        try:
            instance = _origin.decode(data).instance or ask.instance
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            instance = ask.instance
        return self._unread(Key(ask.service, instance), reason)

    def _unread(self, key: Key, reason: str) -> Key | None:
        self._doubt(key, reason)
        if key in self.known and key not in self.heard:
            self.unreadable[key] = reason
            return key
        return None


def _decoded(data: bytes) -> Reply:
    reply = _reply.decode(data)
    if not data.isascii():
        data.decode()  # the answer is handed on as it came: nobody else looks whether it is text at all
    return reply


def _twice(reply: Reply, first: Reply) -> str:
    if reply.boot != first.boot:
        boots = f"{shown(first.boot, _NAME_CHARACTERS)} and {shown(reply.boot, _NAME_CHARACTERS)}"
        return f"two sidecars answer under this name (boots {boots}); the first is counted"
    return "answered more than once; counted once"


def _rival(reply: Reply) -> Rival:
    return Rival(boot=shown(reply.boot, _NAME_CHARACTERS), host=shown(reply.host, _NAME_CHARACTERS))


def _can_be(instance: str) -> bool:
    try:
        check_token(instance, "instance")
    except BadName:
        return False
    return True
