"""What JetStream says of streams and consumers, and thresholds that anybody wrote into their metadata."""

import contextlib
from datetime import UTC, datetime
from typing import Final

from diagmesh.adapters.natsmon.jsanswer import answer_of, seen_of
from diagmesh.adapters.natsmon.jsask import Infos
from diagmesh.adapters.natsmon.jsinfo import ConsumerPage, StreamPage, reply_of
from diagmesh.adapters.natsmon.jsown import of_consumer
from diagmesh.contract.answers.streams import ConsumerState
from diagmesh.contract.codec import encode
from diagmesh.errors import Unreadable
from fuzz.target import Target, text_of

__all__ = ["TARGETS"]

_NOW: Final = datetime(2026, 11, 27, tzinfo=UTC)
_KEYS: Final = ("unprocessed-critical", "last-ack-critical", "last-delivery-critical", "enabled")


def _pages(data: bytes) -> None:
    """A page of streams, a line feed, a page of consumers: whatever they say becomes an answer."""
    streams, _, consumers = data.partition(b"\n")
    infos = Infos(at=1.0, now=_NOW)
    with contextlib.suppress(Unreadable):
        infos.streams += reply_of(streams, StreamPage, "streams").streams or ()
    with contextlib.suppress(Unreadable):
        infos.consumers += reply_of(consumers, ConsumerPage, "consumers").consumers or ()
    encode(answer_of(infos, seen_of(infos, None, {}), named=False, most=10))


def _own(data: bytes) -> None:
    text = text_of(data)
    metadata = {f"io.nats.monitor.{key}": part for key, part in zip(_KEYS, text.split("\n"), strict=False)}
    for one in of_consumer(metadata, ConsumerState(stream="S", name="C", pending=7, acked_age_s=9.0))[0]:
        assert 0 < one.limit <= one.value


TARGETS: Final = (
    Target(
        "streams",
        _pages,
        (),
        (
            (
                b'{"total":1,"streams":[{"config":{"name":"S","subjects":["s.>"],"max_msgs":9},"state":{"messages":9,'
                b'"first_seq":5,"last_seq":13,"first_ts":"2026-11-23T14:45:30Z"},"cluster":{"leader":"n1","replicas":null}}]}\n'
                b'{"total":1,"consumers":[{"stream_name":"S","name":"C","config":{"ack_wait":1000000000,"max_ack_pending":5,'
                b'"pause_until":"2030-01-01T00:00:00"},"paused":true,"delivered":{"consumer_seq":40,"stream_seq":3}}]}'
            ),
            b'{"error":{"code":503,"err_code":10008,"description":"no"}}\n{"consumers":[null]}',
        ),
    ),
    Target(
        "own-thresholds", _own, ("diagmesh.adapters.natsmon.jsown",), (b"5\n30s\n1h30m\ntrue", b"-1\n0\n2d1w", b"9e9")
    ),
)
