"""Replies to one request, each whole: what comes in chunks is there when the last of them is."""

from typing import Final

from diagmesh.bus.core import Message
from diagmesh.contract.chunks import CHUNK_HEADER, CHUNKED_LIMIT_BYTES, Assemblies
from diagmesh.errors import Unreadable

__all__ = ["Joining"]

_SENDERS: Final = 8
"""Replies in chunks to one request that are put together at a time; the first that is complete counts."""


class Joining:
    """Puts the replies on one subject together; without chunks it costs a look at the headers.

    Args:
        subject: where the question went, for messages.
    """

    __slots__ = ("_chunks", "_subject")

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._chunks: Assemblies | None = None

    def whole(self, message: Message) -> Message | None:
        """The reply of which this is the last message; None while some of it is missing.

        Raises:
            Unreadable: its chunks do not belong together.
        """
        if message.headers is None or CHUNK_HEADER not in message.headers:
            return message
        if self._chunks is None:
            self._chunks = Assemblies(2 * CHUNKED_LIMIT_BYTES, most_open=_SENDERS)
        taken = self._chunks.take(0, message.headers, message.data)
        if taken.wrong:
            raise Unreadable(f"the reply of {taken.origin or 'somebody'} on {self._subject}", taken.wrong)
        return None if taken.data is None else Message(message.subject, taken.data, "", message.headers)

    def missing(self) -> str:
        """Who sent how many of his chunks, when not all of them came; empty when nothing is missing."""
        for _, lost in self._chunks.incomplete() if self._chunks is not None else ():
            return f"{lost.origin or 'somebody'}, on {self._subject}: {lost.wrong}"
        return ""
