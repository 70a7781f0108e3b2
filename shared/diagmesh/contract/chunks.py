"""One reply in several messages: cut where it goes out, put together where it comes in; bounded whatever arrives."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from diagmesh.contract.names import shown
from diagmesh.contract.wire import ANSWER_LIMIT_BYTES

__all__ = [
    "CHUNKED_LIMIT_BYTES",
    "CHUNK_HEADER",
    "DIGEST_HEADER",
    "FROM_HEADER",
    "ID_HEADER",
    "MOST_CHUNKS",
    "SIZE_HEADER",
    "Assemblies",
    "Taken",
    "cut",
    "message_limit",
    "reply_limit",
]

CHUNK_HEADER: Final = "Diag-Chunk"
"""``n/N``: the n-th of N messages, from 1."""
ID_HEADER: Final = "Diag-Chunk-Id"
"""Of one reply: several instances may answer on one subject, and their chunks arrive mixed."""
SIZE_HEADER: Final = "Diag-Chunk-Size"
"""Bytes of the whole reply."""
DIGEST_HEADER: Final = "Diag-Chunk-Sha256"
"""SHA-256 of the whole reply, in hexadecimal digits."""
FROM_HEADER: Final = "Diag-From"
"""``service/instance``: who sends it, so that somebody can be named when chunks are lost."""

CHUNKED_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""A reply above this is refused with 413, in chunks too."""
MOST_CHUNKS: Final = 64
"""What ``allow_responses {max: 64}`` lets an agent send to one question (nats.md §3.1)."""

_HEADROOM_BYTES: Final = 1024
"""Kept free below the server's max_payload for headers."""
_ORIGIN_CHARACTERS: Final = 127
_OPEN: Final = 4096

_place: Final = re.compile(r"([1-9][0-9]?)/([1-9][0-9]?)\Z").match
_size: Final = re.compile(r"[1-9][0-9]{0,8}\Z").match
_identifier: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z").match
_digest: Final = re.compile(r"[0-9a-f]{64}\Z").match


def message_limit(max_payload: int) -> int:
    """Bytes of a reply that go into one message, where the server takes ``max_payload`` bytes with headers."""
    return max(1, min(ANSWER_LIMIT_BYTES, max_payload - min(_HEADROOM_BYTES, max_payload // 2)))


def reply_limit(max_payload: int, *, chunks: bool) -> int:
    """Bytes of the largest reply for an asker that can put chunks together, or cannot."""
    one = message_limit(max_payload)
    return min(CHUNKED_LIMIT_BYTES, MOST_CHUNKS * one) if chunks else one


def cut(data: bytes, size: int, identifier: str, origin: str) -> Iterator[tuple[bytes, dict[str, str]]]:
    """The messages of one reply, in order: each a slice of its bytes, with headers that describe the whole.

    Args:
        data: the whole reply, encoded.
        size: the most bytes of one message.
        identifier: random, new for each reply.
        origin: ``service/instance``.
    """
    count = -(-len(data) // size)
    whole = {
        ID_HEADER: identifier,
        SIZE_HEADER: str(len(data)),
        DIGEST_HEADER: hashlib.sha256(data).hexdigest(),
        FROM_HEADER: origin,
    }
    for number in range(count):
        yield data[number * size : (number + 1) * size], {CHUNK_HEADER: f"{number + 1}/{count}", **whole}


class Taken(NamedTuple):
    """What became of one chunk.

    Args:
        origin: who says that he sent it; a claim, and empty when there is none.
        data: the whole reply, if this was the last that was missing.
        wrong: why this reply can never be read; said once.
    """

    origin: str
    data: bytes | None = None
    wrong: str = ""


class _Chunk(NamedTuple):
    number: int
    of: int
    size: int
    digest: str
    origin: str


class _Assembly:
    """The chunks of one reply that have come."""

    __slots__ = ("first", "held", "parts")

    def __init__(self, first: _Chunk) -> None:
        self.first = first
        self.held = 0
        self.parts: dict[int, bytes] = {}

    def add(self, chunk: _Chunk, data: bytes) -> str:
        """Keep one more; returns what is wrong with it."""
        if chunk[1:] != self.first[1:]:
            return "its chunks contradict each other"
        before = self.parts.get(chunk.number)
        if before is not None:
            return "" if before == data else f"chunk {chunk.number} came twice, with other bytes"
        self.parts[chunk.number] = data
        self.held += len(data)
        if self.held > chunk.size:
            return f"its chunks have more than the {chunk.size} bytes they announce"
        return ""

    @property
    def complete(self) -> bool:
        return len(self.parts) == self.first.of

    @property
    def said(self) -> str:
        return f"{len(self.parts)} of {self.first.of} chunks of its reply came"

    def whole(self) -> tuple[bytes, str]:
        """All of it, and what is wrong with that."""
        data = b"".join(self.parts[number] for number in sorted(self.parts))
        if len(data) != self.first.size:
            return data, f"its chunks have {len(data)} bytes instead of {self.first.size}"
        if hashlib.sha256(data).hexdigest() != self.first.digest:
            return data, "its chunks do not add up to what was sent (SHA-256 differs)"
        return data, ""


class Assemblies:
    """The replies in chunks of one round of questions, in any order, mixed and repeated.

    Args:
        most_bytes: held at a time, over all replies that are not complete.
        most_open: replies that are not complete, at a time.
    """

    def __init__(self, most_bytes: int = 4 * CHUNKED_LIMIT_BYTES, most_open: int = _OPEN) -> None:
        self.held = 0
        self._most_bytes = most_bytes
        self._most_open = most_open
        self._open: dict[tuple[int, str], _Assembly] = {}
        self._ended: dict[tuple[int, str], None] = {}

    def take(self, token: int, headers: Mapping[str, str], data: bytes) -> Taken:
        """One message with a `CHUNK_HEADER`.

        Args:
            token: which question it answers.
            headers: of the message.
            data: its slice of the reply.
        """
        origin = shown(headers.get(FROM_HEADER, ""), _ORIGIN_CHARACTERS)
        identifier = headers.get(ID_HEADER, "")
        chunk = _read(headers, origin)
        if isinstance(chunk, str) or _identifier(identifier) is None:
            why = chunk if isinstance(chunk, str) else f"{ID_HEADER} is missing or malformed"
            return Taken(origin, wrong=f"a chunk of its reply cannot be read: {why}")
        key = (token, identifier)
        if key in self._ended:
            return Taken(origin)
        assembly = self._open.get(key)
        if assembly is None:
            if len(self._open) >= self._most_open:
                return Taken(origin, wrong="too many replies in chunks at a time")
            assembly = self._open[key] = _Assembly(chunk)
        return self._added(key, assembly, chunk, data)

    def incomplete(self) -> list[tuple[int, Taken]]:
        """The replies of which chunks are missing, each with the question that it answers."""
        return [(token, Taken(one.first.origin, wrong=one.said)) for (token, _), one in self._open.items()]

    def _added(self, key: tuple[int, str], assembly: _Assembly, chunk: _Chunk, data: bytes) -> Taken:
        before = assembly.held
        wrong = assembly.add(chunk, data)
        self.held += assembly.held - before
        if not wrong and self.held > self._most_bytes:
            wrong = f"there was no room for its reply: {self._most_bytes} bytes are held of replies in chunks"
        if wrong or assembly.complete:
            self._end(key, assembly)
        if wrong or not assembly.complete:
            return Taken(assembly.first.origin, wrong=wrong)
        whole, wrong = assembly.whole()
        return Taken(assembly.first.origin, None if wrong else whole, wrong)

    def _end(self, key: tuple[int, str], assembly: _Assembly) -> None:
        del self._open[key]
        self.held -= assembly.held
        self._ended[key] = None
        if len(self._ended) > self._most_open:
            del self._ended[next(iter(self._ended))]


def _read(headers: Mapping[str, str], origin: str) -> _Chunk | str:
    """What a chunk says of itself and of the whole, or what is wrong with that."""
    place = _place(headers.get(CHUNK_HEADER, ""))
    if place is None or not int(place[1]) <= int(place[2]) <= MOST_CHUNKS:
        return f"{CHUNK_HEADER} is not n/N with n <= N <= {MOST_CHUNKS}"
    size, digest = headers.get(SIZE_HEADER, ""), headers.get(DIGEST_HEADER, "")
    if _size(size) is None or int(size) > CHUNKED_LIMIT_BYTES:
        return f"{SIZE_HEADER} is no number of bytes up to {CHUNKED_LIMIT_BYTES}"
    if _digest(digest) is None:
        return f"{DIGEST_HEADER} has not 64 hexadecimal digits"
    return _Chunk(int(place[1]), int(place[2]), int(size), digest, origin)
