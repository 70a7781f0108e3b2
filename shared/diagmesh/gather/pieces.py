"""The chunks that come in one gather: none where nobody asked for them, and never more held than there is room for."""

from typing import Final

from diagmesh.bus.core import Message
from diagmesh.contract.chunks import FROM_HEADER, MOST_CHUNKS, Assemblies, Taken
from diagmesh.contract.names import shown
from diagmesh.gather.allowance import counts_of
from diagmesh.gather.plan import Plan

__all__ = ["Pieces"]

_NEWCOMERS: Final = 16
"""Replies in chunks taken per question above those expected."""
_NOT_ASKED_FOR: Final = "its reply came in chunks, and the question did not ask for them"
_ORIGIN_CHARACTERS: Final = 127


class Pieces:
    """The replies in chunks of one gather, put together per question: one service cannot take the room of another.

    Args:
        plan: what is asked; chunks are taken where its body has ``chunks``.
        most_bytes: held at a time of those that are not complete; of one question no more than half of it.
    """

    def __init__(self, plan: Plan, most_bytes: int) -> None:
        self.held = 0
        self._wanted = plan.takes_chunks
        self._most_bytes = most_bytes
        self._replies = [_NEWCOMERS + 2 * count for count in counts_of(plan)]
        self._messages = [MOST_CHUNKS * most for most in self._replies]
        self._open: dict[int, Assemblies] = {}

    def add(self) -> None:
        """One more question, to one instance."""
        self._replies.append(_NEWCOMERS)
        self._messages.append(MOST_CHUNKS * _NEWCOMERS)

    def take(self, token: int, message: Message) -> Taken | None:
        """One chunk in reply to this question; None where there is no room to look at it."""
        self._messages[token] -= 1
        if self._messages[token] < 0:
            return None
        headers = message.headers or {}
        if not self._wanted:
            return Taken(shown(headers.get(FROM_HEADER, ""), _ORIGIN_CHARACTERS), wrong=_NOT_ASKED_FOR)
        if self.held + len(message.data) > self._most_bytes:
            return None
        assemblies = self._open.get(token)
        if assemblies is None:
            assemblies = self._open[token] = Assemblies(self._most_bytes // 2, most_open=self._replies[token])
        before = assemblies.held
        taken = assemblies.take(token, headers, message.data)
        self.held += assemblies.held - before
        return taken

    def incomplete(self) -> list[tuple[int, Taken]]:
        """The replies of which chunks are missing, each with the question that it answers."""
        return [lost for assemblies in self._open.values() for lost in assemblies.incomplete()]
