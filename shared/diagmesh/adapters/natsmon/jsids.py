"""Which messages a stream has twice, by their ``Nats-Msg-Id``: read of streams that the settings name, and no others.

Messages come whole, for JetStream cannot leave the body out without making a consumer; nothing but a digest of the id,
the sequence and the time is kept of them.
"""

import hashlib
import shlex
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from diagmesh.adapters.natsmon.jsinfo import StreamInfo
from diagmesh.appnats import AppNats, AppReply, cannot_ask
from diagmesh.contract.answers.streams import MessageIds, Repeated
from diagmesh.contract.wire import Blind
from diagmesh.errors import BusError, NoResponders

__all__ = ["WHAT", "StreamIds"]

WHAT: Final = "ids of messages"
_BATCH: Final = 256
_BATCHES: Final = 4
"""At most so many in one look: of a stream that grows faster, the last ones are read."""
_MOST_BYTES: Final = 1 << 20
_KEPT: Final = 8192
_REPEATED_KEPT: Final = 256
_TOLD: Final = 8
_WAIT_S: Final = 1.0
_DIGEST_BYTES: Final = 12


class _Kept(NamedTuple):
    seq: int
    at_s: float


class _Twice(NamedTuple):
    seq: int
    first_seq: int
    apart_s: float
    at_s: float


class StreamIds:
    """The ids of one stream, from look to look; bounded."""

    def __init__(self) -> None:
        self._created: datetime | None = None
        self._seen: dict[bytes, _Kept] = {}
        self._twice: deque[_Twice] = deque(maxlen=_REPEATED_KEPT)
        self._next = self._read = self._without = 0

    async def look(self, nats: AppNats, info: StreamInfo) -> Blind | None:
        """Read what came since the last look; returns why that could not be done.

        Args:
            nats: the observer connection.
            info: the stream, looked at just now.
        """
        state = info.state
        if info.created != self._created or state.last_seq < self._next - 1:  # another one of that name
            self._seen.clear()
            self._twice.clear()
            self._next = self._read = self._without = 0
            self._created = info.created
        self._next = max(self._next, state.first_seq, state.last_seq - _BATCH * _BATCHES + 1, 1)
        for _ in range(_BATCHES):
            if self._next > state.last_seq:
                return None
            blind = await self._batch(nats, info.config.name)
            if blind is not None:
                return blind
        return None

    def told(self, info: StreamInfo, now_s: float | None = None) -> MessageIds:
        """What was read, and what of it the stream still holds.

        Args:
            info: the stream.
            now_s: Unix seconds; default: now.
        """
        now_s = time.time() if now_s is None else now_s
        twice = [one for one in self._twice if one.first_seq >= info.state.first_seq]
        return MessageIds(
            read=self._read,
            without=self._without,
            repeated=len(twice),
            last=tuple(
                Repeated(
                    seq=one.seq,
                    first_seq=one.first_seq,
                    apart_s=round(one.apart_s, 3),
                    age_s=round(max(0.0, now_s - one.at_s), 3),
                )
                for one in reversed(list(twice)[-_TOLD:])
            ),
        )

    async def _batch(self, nats: AppNats, stream: str) -> Blind | None:
        subject = f"$JS.API.DIRECT.GET.{stream}"
        body = msgspec.json.encode({"seq": self._next, "batch": _BATCH, "max_bytes": _MOST_BYTES})
        try:
            replies = await nats.gather(subject, body, timeout_s=_WAIT_S, most=_BATCH + 1)
        except NoResponders:
            fix = f"nats stream edit {shlex.quote(stream)} --allow-direct --force"
            return Blind(what=WHAT, why=f"{stream} does not let its messages be read directly", fix=fix)
        except BusError as error:
            return cannot_ask(error, WHAT, subject)
        read = [one for one in map(self._message, replies) if one]
        self._next = max(read) + 1 if read else self._next + _BATCH  # all of these are deleted
        return None

    def _message(self, reply: AppReply) -> int:
        """Take one message in; returns its sequence, 0 for what is none (the end of a batch)."""
        headers = reply.headers
        seq, at_s = _seq(headers), _at_s(headers)
        if not seq or at_s is None or seq < self._next:
            return 0
        self._read += 1
        given = headers.get("Nats-Msg-Id", "")
        if not given:
            self._without += 1
            return seq
        digest = hashlib.blake2b(given.encode(), digest_size=_DIGEST_BYTES).digest()
        before = self._seen.pop(digest, None)
        if before is not None:
            self._twice.append(_Twice(seq, before.seq, at_s - before.at_s, at_s))
        self._seen[digest] = _Kept(seq, at_s)
        if len(self._seen) > _KEPT:
            del self._seen[next(iter(self._seen))]
        return seq


def _seq(headers: Mapping[str, str]) -> int:
    given = headers.get("Nats-Sequence", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) <= 20 else 0


def _at_s(headers: Mapping[str, str]) -> float | None:
    try:
        return msgspec.convert(headers.get("Nats-Time-Stamp", ""), datetime).timestamp()
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None
