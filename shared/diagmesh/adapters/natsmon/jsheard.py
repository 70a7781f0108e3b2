"""What JetStream said by itself in the account (advisories), in a bounded ring."""

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from diagmesh.adapters.natsmon.jsinfo import Advisory, reply_of
from diagmesh.appnats import AppReply
from diagmesh.contract.answers.streams import AdvisorySeen, PoisonMessage
from diagmesh.errors import Unreadable

__all__ = ["ADVISORIES", "Heard"]

_ROOT: Final = "$JS.EVENT.ADVISORY"
# Not MSG_NAKED: a consumer that sends everything back makes thousands of these a second.
ADVISORIES: Final = (
    *(f"{_ROOT}.CONSUMER.{what}.*.*" for what in ("MAX_DELIVERIES", "MSG_TERMINATED", "PAUSE", "QUORUM_LOST")),
    *(f"{_ROOT}.STREAM.{what}.*" for what in ("QUORUM_LOST", "LEADER_ELECTED", "DELETED")),
)
"""The subjects that are listened to."""
_KEPT: Final = 512
_GIVEN_UP: Final = "max_deliver"
_TYPE: Final = "io.nats.jetstream.advisory.v1."


class _Kept(NamedTuple):
    at: float
    what: str
    told: Advisory


class Heard:
    """The last advisories; what is older gives way."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque(maxlen=_KEPT)
        self.since: float | None = None
        """When listening began, monotonic."""

    def hear(self, message: AppReply) -> None:
        """Keep one; what cannot be read is passed over, for it is no answer that anybody waits for."""
        try:
            told = reply_of(message.data, Advisory, "advisory")
        except Unreadable:
            return
        self._kept.append(_Kept(time.monotonic(), told.type.removeprefix(_TYPE), told))

    @property
    def listening_s(self) -> float | None:
        """For how long, or None while nobody listens."""
        return None if self.since is None else time.monotonic() - self.since

    def given_up(self, stream: str, consumer: str) -> list[PoisonMessage]:
        """The messages of a consumer that came as often as allowed, the last ones last."""
        now = time.monotonic()
        found = {
            kept.told.stream_seq: PoisonMessage(
                seq=kept.told.stream_seq, deliveries=kept.told.deliveries, age_s=now - kept.at, given_up=True
            )
            for kept in self._kept
            if kept.what == _GIVEN_UP and (kept.told.stream, kept.told.consumer) == (stream, consumer)
        }
        return list(found.values())

    @property
    def with_given_up(self) -> set[tuple[str, str]]:
        """The consumers of which there are any, by stream and name."""
        return {(kept.told.stream, kept.told.consumer) for kept in self._kept if kept.what == _GIVEN_UP}

    def summed(self) -> Iterator[AdvisorySeen]:
        """One line a kind and asset, the latest first."""
        now, counts = time.monotonic(), dict[tuple[str, str, str], int]()
        for kept in self._kept:
            key = (kept.what, kept.told.stream, kept.told.consumer)
            counts[key] = counts.get(key, 0) + 1
        for kept in reversed(self._kept):
            count = counts.pop((kept.what, kept.told.stream, kept.told.consumer), 0)
            if count:
                yield AdvisorySeen(
                    what=kept.what,
                    stream=kept.told.stream,
                    consumer=kept.told.consumer,
                    at=kept.told.timestamp or datetime.now(UTC),
                    age_s=now - kept.at,
                    count=count,
                    seq=kept.told.stream_seq or None,
                    deliveries=kept.told.deliveries or None,
                )
