"""Streams and consumers as servers of several versions tell them, and what is made of their counts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from diagmesh.adapters.natsmon.jsanswer import Seen, answer_of, seen_of, without_deleted
from diagmesh.adapters.natsmon.jsask import Infos
from diagmesh.adapters.natsmon.jscause import Lately, judged
from diagmesh.adapters.natsmon.jsinfo import ConsumerReply, StreamPage, StreamReply, reply_of
from diagmesh.adapters.natsmon.jsown import of_consumer, of_stream
from diagmesh.adapters.natsmon.jspast import JsPast, consumer_rates, stream_rates
from diagmesh.adapters.natsmon.jsstate import consumer_state, stream_state
from diagmesh.contract.answers.streams import Cause, ConsumerState, PoisonMessage, SourceState
from diagmesh.errors import Unreadable
from support.ruling import ORDERS, WORKER

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def captured(root: Path, name: str) -> bytes:
    """The body of a capture."""
    return msgspec.json.encode(msgspec.json.decode((root / "nats-server-2.15" / name).read_bytes())["body"])


def test_a_captured_consumer_is_read(fixtures_root: Path) -> None:
    info = reply_of(captured(fixtures_root, "js_consumer_info.json"), ConsumerReply, "consumers")
    state = consumer_state(info, NOW)
    assert (state.full_name, state.pending, state.ack_pending, state.max_ack_pending) == ("ORDERS/worker", 3, 5, 5)
    assert (state.redelivered, state.ack_wait_s, state.max_deliver) == (13, 1.0, 3)
    assert state.delivered_age_s == pytest.approx(0.207849, abs=1e-5)
    assert state.acked_age_s == pytest.approx(6.228, abs=1e-3)
    assert (state.paused_s or 0) > 9e7
    assert judged(state, None, (), None).cause is Cause.PAUSED


def test_a_captured_stream_is_read(fixtures_root: Path) -> None:
    state = stream_state(reply_of(captured(fixtures_root, "js_stream_info.json"), StreamReply, "streams"), NOW)
    assert (state.name, state.messages, state.bytes, state.max_messages) == ("ORDERS", 20, 2800, None)
    assert (state.duplicate_window_s, state.leader, state.full_share) == (120.0, "t5", None)


def test_fields_that_are_missing_or_new_break_nothing() -> None:
    old = reply_of(
        b'{"config":{"name":"S"},"state":{"messages":1},"shiny":{"new":[1]},"sources":null}', StreamReply, "streams"
    )
    assert stream_state(old, NOW).name == "S"
    assert reply_of(b'{"streams":null,"total":0}', StreamPage, "streams").streams is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"config": 3}', b"\xff"])
def test_what_is_no_reply_is_told(body: bytes) -> None:
    with pytest.raises(Unreadable, match="no reply of JetStream"):
        reply_of(body, StreamReply, "streams")


def looked(at: float, **counts: Any) -> tuple[float, ConsumerState]:
    return at, replace(WORKER, **counts)


def rated(before: ConsumerState, now: ConsumerState, over_s: float = 10.0) -> ConsumerState:
    """The second one with its rates."""
    past = JsPast()
    past.add(0.0, [ORDERS], [before])
    then = past.before(over_s)
    assert then is not None
    return consumer_rates(now, ORDERS, then, over_s)


def test_rates_come_of_two_looks() -> None:
    told_now = rated(
        replace(WORKER, pending=100), replace(WORKER, pending=50, deliveries=141, delivered_seq=120, acked_seq=119)
    )
    assert (told_now.delivered_per_s, told_now.redelivered_per_s) == (8.0, 2.0)
    assert (told_now.pending_per_s, told_now.drain_s, told_now.acked_per_s) == (-5.0, 10.0, 8.0)


@pytest.mark.parametrize(
    ("stream", "consumer", "lost"), [({}, {}, 7), ({"keeps_last": True}, {}, 0), ({}, {"whole": False}, 0)]
)
def test_of_what_a_filtered_consumer_waits_for_only_what_nobody_replaced_is_lost(
    stream: dict[str, Any], consumer: dict[str, Any], lost: int
) -> None:
    past = JsPast()
    past.add(0.0, [ORDERS], [replace(WORKER, filtered=True, pending=10)])
    then = past.before(10.0)
    assert then is not None
    now = replace(WORKER, filtered=True, pending=3, **consumer)
    assert consumer_rates(now, replace(ORDERS, **stream), then, 10.0).lost == lost


def test_a_consumer_that_was_made_again_has_no_rates() -> None:
    assert rated(WORKER, replace(WORKER, deliveries=1, delivered_seq=1)).delivered_per_s is None


def test_a_stream_tells_what_comes_what_goes_and_when_it_is_full() -> None:
    past = JsPast()
    past.add(0.0, [ORDERS], [])
    then = past.before(10.0)
    assert then is not None
    now = stream_rates(replace(ORDERS, messages=83, last_seq=93, first_seq=11, max_messages=103), then, 10.0)
    assert (now.in_per_s, now.gone_per_s, now.full_in_s) == (5.0, 1.0, 5.0)


def test_the_past_is_bounded_and_reaches_back_a_minute() -> None:
    past = JsPast()
    for at in range(400):
        past.add(at / 2, [ORDERS], [WORKER])
    then = past.before(200.0)
    assert then is not None
    assert 10 < 200.0 - then.at <= 60
    assert len(past.pending("ORDERS", "worker")) <= 17
    assert past.before(199.6) is not None
    assert JsPast().before(0.0) is None


LATELY = Lately(over_s=12.0, held=2)
BUSY = replace(WORKER, delivered_per_s=20.0, redelivered_per_s=0.0, acked_per_s=20.0, pending_per_s=0.0)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, Cause.NONE),
        ({"leader": ""}, Cause.LEADERLESS),
        ({"paused_s": 60.0, "ack_pending": 10}, Cause.PAUSED),
        ({"ack_pending": 10, "acked_per_s": 0.0}, Cause.STALLED),
        ({"ack_pending": 10}, Cause.NONE),
        ({"redelivered_per_s": 900.0, "acked_per_s": 0.0}, Cause.LOOP),
        ({"redelivered_per_s": 10.0, "ack_pending": 9, "ack_wait_s": 0.5}, Cause.LATE),
        ({"redelivered_per_s": 20.0, "ack_pending": 2}, Cause.LOOP),
        ({"redelivered_per_s": 5.0, "ack_pending": 2}, Cause.NONE),
        ({"redelivered_per_s": 16.4, "ack_pending": 10, "max_ack_pending": 32, "acked_per_s": 0.0}, Cause.LOOP),
        ({"redelivered_per_s": 0.6, "ack_pending": 10, "acked_per_s": 0.0}, Cause.STALLED),
        ({"pending": 0, "waiting": 0, "delivered_per_s": 0.0}, Cause.NONE),
        ({"waiting": 0, "delivered_per_s": 0.0, "ack_pending": 0}, Cause.NOBODY),
        ({"waiting": 0, "delivered_per_s": 0.0, "delivered_age_s": 61.0, "ack_wait_s": 30.0}, Cause.NOBODY),
        ({"waiting": 0, "delivered_per_s": 0.0, "delivered_age_s": 61.0, "ack_wait_s": 600.0}, Cause.NONE),
        ({"waiting": 0, "delivered_per_s": 0.0, "ack_pending": 0, "durable": False}, Cause.NONE),
        ({"push": True, "durable": False}, Cause.NONE),
        ({"waiting": 0}, Cause.NONE),
        ({"pending": 5000}, Cause.SLOW),
        ({"push": True, "push_bound": True}, Cause.NONE),
        ({"push": True}, Cause.UNHEARD),
        ({"push": True, "pending": 0, "ack_pending": 0}, Cause.NONE),
        ({"acked_seq": 20, "redelivered": 1, "acked_per_s": 0.0}, Cause.POISON),
        ({"acked_seq": 20, "redelivered": 1, "acked_per_s": 0.0, "filtered": True}, Cause.NONE),
        ({"acked_seq": 20, "redelivered": 1}, Cause.NONE),
        ({"acked_seq": 20, "redelivered": 9, "ack_pending": 9, "acked_per_s": 0.0}, Cause.NONE),
    ],
)
def test_the_cause_is_told(changes: dict[str, Any], cause: Cause) -> None:
    assert judged(replace(BUSY, **changes), ORDERS, (), LATELY).cause is cause


def test_a_single_message_that_comes_again_among_others_is_no_loop() -> None:
    bad = PoisonMessage(seq=21, deliveries=5, age_s=3.0, given_up=True)
    busy = replace(BUSY, redelivered_per_s=5.0, acked_seq=20, acked_per_s=0.0)
    assert judged(busy, ORDERS, [bad], LATELY).cause is Cause.POISON
    assert judged(replace(busy, redelivered_per_s=80.0), ORDERS, [bad], LATELY).cause is Cause.LOOP


def test_what_is_gone_from_the_stream_is_no_poison_any_more() -> None:
    bad = PoisonMessage(seq=21, deliveries=5, given_up=True)
    assert judged(BUSY, replace(ORDERS, first_seq=22), [bad], LATELY).poison == ()
    assert without_deleted([bad, replace(bad, seq=30)], (21, 22)) == [replace(bad, seq=30)]


def test_messages_between_the_last_delivery_and_the_beginning_are_lost() -> None:
    ahead = replace(ORDERS, first_seq=51)
    assert judged(WORKER, ahead, (), None).lost == 10
    for harmless in ({"filtered": True}, {"whole": False}):
        assert judged(replace(WORKER, **harmless), ahead, (), None).lost == 0
    assert judged(WORKER, replace(ahead, keeps_last=True), (), None).lost == 0


def test_own_thresholds_are_those_of_the_nats_command() -> None:
    old = replace(WORKER, acked_age_s=95.0, pending=7)
    own = {"io.nats.monitor.last-ack-critical": "1m30s", "io.nats.monitor.unprocessed-critical": "8"}
    (broken,), wrong = of_consumer(own, old)
    assert (broken.key, broken.limit, broken.unit, wrong) == ("last-ack-critical", 90.0, "s", ())
    assert of_consumer({**own, "io.nats.monitor.enabled": "false"}, old) == ((), ())
    assert of_consumer({"io.nats.monitor.last-ack-critical": "soon"}, old) == ((), ("last-ack-critical=soon",))
    assert of_consumer({"io.nats.monitor.redelivery-critical": "0"}, old) == ((), ())


def test_own_thresholds_of_streams_go_both_ways() -> None:
    def keys(told_of: object, **own: str) -> list[tuple[str, bool]]:
        metadata = {f"io.nats.monitor.{key.replace('_', '-')}": value for key, value in own.items()}
        assert isinstance(told_of, type(ORDERS))
        return [(one.key, one.warns) for one in of_stream(metadata, told_of)[0]]

    assert keys(ORDERS, msgs_warn="40", msgs_critical="50") == [("msgs-warn", True)]
    assert keys(ORDERS, msgs_warn="60", msgs_critical="45") == [("msgs-critical", False)]
    assert keys(ORDERS, msgs_warn="30", msgs_critical="20") == []
    sources = (SourceState(name="A", lag=5), SourceState(name="B", lag=500))
    fed = replace(ORDERS, sources=sources)
    assert keys(fed, lag_critical="200", min_sources="3", max_sources="1") == [
        ("lag-critical", False),
        ("min-sources", False),
        ("max-sources", False),
    ]
    assert keys(fed, lag_critical="501", min_sources="2", max_sources="2") == []
    assert keys(replace(ORDERS, leader="n1"), peer_expect="3") == [("peer-expect", False)]


def test_of_many_the_worst_are_told_and_all_are_counted() -> None:
    consumers = [replace(WORKER, name=f"c{number}", pending=number) for number in range(100)]
    consumers[7] = replace(consumers[7], cause=Cause.STALLED)
    answer = answer_of(Infos(), Seen([ORDERS], consumers, 5.0), named=False, most=3)
    assert [one.name for one in answer.consumers] == ["c7", "c99", "c98"]
    assert (answer.worst, answer.left_out, answer.totals.pending) == (Cause.STALLED, 97, sum(range(100)))


def test_who_has_no_leader_is_told() -> None:
    orphan = replace(WORKER, leader="", cause=Cause.LEADERLESS)
    answer = answer_of(Infos(), Seen([replace(ORDERS, leader="")], [orphan], None), named=False, most=3)
    assert answer.no_quorum is not None
    assert answer.no_quorum.streams == ("ORDERS", "ORDERS/worker")
    assert seen_of(Infos(), None, {}) == Seen([], [], None)
