"""Faults of streams and consumers, each really made on a real JetStream: its code and no other, then clear again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import pytest
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, PubAck
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from diagmesh.contract.answers.streams import Cause, MessageIds, Streams
from diagmesh.contract.codec import encode
from diagmesh.contract.verdicts import Verdict
from diagmesh.settings import RuleSettings, StreamsSettings
from support.natsserver import NatsServer
from support.ruling import found
from support.streaming import StreamsLab, streaming

STREAM: Final = "ORDERS"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with NatsServer(tmp_path_factory.mktemp("nats"), jetstream=True) as server:
        yield server


@pytest.fixture
async def lab(server: NatsServer) -> AsyncIterator[StreamsLab]:
    """An empty JetStream with the stream ORDERS."""
    async with streaming(server.url) as lab:
        for one in await lab.js.streams_info():
            await lab.js.delete_stream(one.config.name or "")
        await lab.js.add_stream(name=STREAM, subjects=["orders.>"])
        yield lab


@pytest.fixture
def forgets_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates are those of the last 6 s instead of 20 s: what is over is seen to be over so much sooner."""
    monkeypatch.setattr("diagmesh.adapters.natsmon.jspast._WINDOW_S", 6.0)


async def worker(lab: StreamsLab, name: str = "worker", **config: Any) -> JetStreamContext.PullSubscription:
    """A durable pull consumer of the whole stream."""
    asked = ConsumerConfig(durable_name=name, ack_policy=AckPolicy.EXPLICIT, **config)
    await lab.js.add_consumer(STREAM, asked)
    return await lab.js.pull_subscribe_bind(name, STREAM)


async def fetched(sub: JetStreamContext.PullSubscription, count: int, timeout_s: float = 0.3) -> list[Any]:
    """What comes; nothing is no error."""
    try:
        return await sub.fetch(count, timeout=timeout_s)
    except TimeoutError:
        return []


@contextlib.asynccontextmanager
async def repeated(once: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Done again and again; ended by being told, because nats-py may swallow a cancellation."""
    stop = asyncio.Event()

    async def go_on() -> None:
        while not stop.is_set():
            await once()

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


def working(
    sub: JetStreamContext.PullSubscription, how: str = "ack", pace_s: float = 0.0
) -> contextlib.AbstractAsyncContextManager[None]:
    """A worker that settles what it gets: ``ack``, ``nak``, or ``picky``, which cannot handle poison."""

    async def work() -> None:
        for message in await fetched(sub, 20):
            if pace_s:
                await asyncio.sleep(pace_s)
            if how == "nak":
                await message.nak()
            elif how == "ack" or b"poison" not in message.data:
                await message.ack()

    return repeated(work)


def orders(
    lab: StreamsLab, per_s: float = 50.0, subject: str = "orders.new"
) -> contextlib.AbstractAsyncContextManager[None]:
    """Orders come."""

    async def come() -> None:
        with contextlib.suppress(APIError):
            await lab.js.publish(subject, b'{"order": 1}')
        await asyncio.sleep(1.0 / per_s)

    return repeated(come)


async def test_a_message_that_is_sent_again_too_late_is_there_twice(server: NatsServer) -> None:
    uses = StreamsSettings(names=(STREAM,), ids=(STREAM,))
    async with streaming(server.url, uses) as lab:
        with contextlib.suppress(NotFoundError):
            await lab.js.delete_stream(STREAM)
        await lab.js.add_stream(name=STREAM, subjects=["orders.>"], duplicate_window=3.0, allow_direct=True)

        async def send(number: int, **headers: str) -> PubAck:
            headers = headers or {"Nats-Msg-Id": f"order-{number}"}
            return await lab.js.publish("orders.new", b"secret body", headers=headers)

        for number in (1, 2, 2, 3):  # in time: not stored again
            await send(number)
        await send(0, Other="no id")
        answer, diagnosis = await lab.look(), await lab.judged()
        assert diagnosis.findings == ()
        assert answer.streams[0].ids == MessageIds(read=4, without=1)
        async with asyncio.timeout(20):
            while (await send(2)).duplicate:  # until the server has forgotten it
                await asyncio.sleep(0.1)
        answer, diagnosis = await lab.until("JS-010")
        assert b"order-" not in encode(answer)
        assert b"secret" not in encode(answer)
        title = found(diagnosis, "JS-010").title
        assert title.startswith("ORDERS holds 1 message twice: sequence 5 has the id of 2, and came ")
        assert title.endswith("after its duplicate window of 3 s")
        await lab.js.purge_stream(STREAM)
        await lab.until()


async def test_ids_that_may_not_be_read_are_blind_with_what_to_do(server: NatsServer) -> None:
    uses = StreamsSettings(names=(STREAM,), ids=(STREAM,))
    async with streaming(server.url, uses) as lab:
        with contextlib.suppress(NotFoundError):
            await lab.js.delete_stream(STREAM)
        await lab.js.add_stream(name=STREAM, subjects=["orders.>"], allow_direct=False)
        await lab.publish(1)
        answer, diagnosis = await lab.look(), await lab.judged()
    assert [(one.what, one.fix) for one in answer.blind] == [
        ("ids of messages", "nats stream edit ORDERS --allow-direct --force")
    ]
    (said,) = [one for one in diagnosis.verdicts if one.code == "JS-010"]
    assert said.verdict is Verdict.BLIND


async def test_a_healthy_consumer_under_load_is_none_of_them(lab: StreamsLab) -> None:
    sub = await worker(lab, max_ack_pending=100)
    async with orders(lab), working(sub):
        for _ in range(10):
            answer, diagnosis = await lab.look(), await lab.judged()
            assert diagnosis.findings == (), answer
            assert answer.worst in (Cause.NONE, Cause.NOBODY), answer  # a moment between two fetches
            await asyncio.sleep(0.2)
        assert answer.totals.in_per_s
        assert answer.consumers[0].delivered_per_s


async def test_a_stalled_consumer(lab: StreamsLab) -> None:
    sub = await worker(lab, max_ack_pending=10)
    await lab.publish(30)
    held = await fetched(sub, 10)
    answer, diagnosis = await lab.until("JS-001")
    (consumer,) = answer.consumers
    assert (consumer.cause, consumer.ack_pending, consumer.max_ack_pending, consumer.pending) == (
        Cause.STALLED, 10, 10, 20,
    )  # fmt: skip
    title = found(diagnosis, "JS-001").title
    assert title.startswith("ORDERS/worker: 10 of 10 messages held, none ever acknowledged")
    async with working(sub):
        for message in held:
            await message.ack()
        await lab.until()


async def test_nobody_pulls(lab: StreamsLab) -> None:
    sub = await worker(lab)
    await lab.publish(20)
    _, diagnosis = await lab.until("JS-003")
    assert "20 messages wait, nobody has asked" in found(diagnosis, "JS-003").title
    async with working(sub):
        await lab.until(also=lambda answer: answer.consumers[0].acked_seq == 20)


async def test_what_a_client_that_is_gone_left_behind_is_nobodys_fault(lab: StreamsLab) -> None:
    await lab.js.add_stream(name="LEFT", subjects=["left.>"])
    await lab.js.add_consumer("LEFT", ConsumerConfig(name="watch", inactive_threshold=300.0))
    await lab.js.add_consumer("LEFT", ConsumerConfig(name="told", deliver_subject="told.to", inactive_threshold=300.0))
    await lab.publish(5, "left.new")
    await asyncio.sleep(1.5)  # longer than anybody is given here
    answer, _ = await lab.until(also=lambda answer: answer.totals.pending >= 10)
    assert {(one.name, one.durable) for one in answer.consumers} == {("watch", False), ("told", False)}
    await lab.js.delete_stream("LEFT")


async def test_a_lag_that_grows(lab: StreamsLab) -> None:
    sub = await worker(lab, max_ack_pending=1000)
    await lab.publish(300)
    async with orders(lab, per_s=100), working(sub, pace_s=0.1):
        _, diagnosis = await lab.until("JS-002")
    assert "messages wait, " in found(diagnosis, "JS-002").title
    async with working(sub):
        answer, _ = await lab.until(also=lambda answer: answer.totals.pending == 0)
    assert answer.worst is Cause.NONE


async def test_a_push_consumer_without_a_subscriber(lab: StreamsLab) -> None:
    config = ConsumerConfig(durable_name="mailer", ack_policy=AckPolicy.EXPLICIT, deliver_subject="mail.out")
    await lab.js.add_consumer(STREAM, config)
    await lab.publish(5)
    answer, diagnosis = await lab.until("JS-004")
    assert answer.consumers[0].cause is Cause.UNHEARD
    assert "5 messages wait, nobody subscribes" in found(diagnosis, "JS-004").title

    async def take(message: Any) -> None:
        await message.ack()

    await lab.app.subscribe("mail.out", cb=take)
    await lab.until(also=lambda answer: answer.totals.pending == 0)


async def test_a_poison_message_is_named_while_it_is_tried_and_when_it_is_given_up(lab: StreamsLab) -> None:
    sub = await worker(lab, ack_wait=1, max_deliver=3)
    await lab.publish(3)
    await lab.publish(1, body=b'{"password": "hunter2", "poison": true}')
    async with orders(lab, per_s=20), working(sub, how="picky"):
        answer, diagnosis = await lab.until(
            "JS-005", also=lambda answer: any(one.given_up for each in answer.consumers for one in each.poison)
        )
        (bad,) = answer.consumers[0].poison
        assert (bad.seq, bad.deliveries) == (4, 3)
        assert "message 4 was given up after 3 deliveries" in found(diagnosis, "JS-005").title
        assert any("nats stream get ORDERS 4" in line for line in found(diagnosis, "JS-005").advice.now)
        assert "max_deliver" in [one.what for one in answer.advisories]
        (told,) = (await lab.look(head=True)).consumers[0].poison
        assert told.subject == "orders.new"
        assert "hunter2" not in told.head
        assert "poison" in told.head
        assert await lab.js.delete_msg(STREAM, 4)
        await lab.until()


@pytest.mark.usefixtures("forgets_soon")
async def test_a_poison_message_that_is_never_given_up_is_inferred(lab: StreamsLab) -> None:
    sub = await worker(lab, ack_wait=1)
    await lab.publish(1)
    await lab.publish(1, body=b"poison")
    async with orders(lab, per_s=20), working(sub, how="picky"):
        answer, diagnosis = await lab.until("JS-005")
    (bad,) = answer.consumers[0].poison
    assert (bad.seq, bad.given_up) == (2, False)
    assert "message 2 comes again and again" in found(diagnosis, "JS-005").title


@pytest.mark.usefixtures("forgets_soon")
async def test_a_redelivery_loop(lab: StreamsLab) -> None:
    sub = await worker(lab)
    await lab.publish(10)
    async with working(sub, how="nak"):
        answer, diagnosis = await lab.until("JS-006")
    assert answer.consumers[0].cause is Cause.LOOP
    assert "sent back" in found(diagnosis, "JS-006").title
    async with working(sub):
        await lab.until(also=lambda answer: answer.consumers[0].acked_seq == 10)


@pytest.mark.usefixtures("forgets_soon")
async def test_messages_that_are_acknowledged_late(lab: StreamsLab) -> None:
    sub = await worker(lab, ack_wait=1, max_ack_pending=200)
    tasks = set()

    async def late() -> None:
        async def settle(message: Any) -> None:
            await asyncio.sleep(1.6)
            await message.ack()

        for message in await fetched(sub, 20):
            task = asyncio.create_task(settle(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async with repeated(late), orders(lab, per_s=20):
        answer, diagnosis = await lab.until("JS-007")
    await asyncio.gather(*tasks)
    assert answer.consumers[0].cause is Cause.LATE
    assert "not acknowledged within 1 s" in found(diagnosis, "JS-007").title
    async with working(sub):
        await lab.until()


async def test_a_stream_that_is_full_and_refuses(lab: StreamsLab) -> None:
    await lab.js.update_stream(name=STREAM, subjects=["orders.>"], max_msgs=10, discard=DiscardPolicy.NEW)
    await lab.publish(8)
    assert (await lab.judged()).findings == ()
    await lab.publish(1)
    await lab.until("JS-008", settings=(RuleSettings(code="JS-008", limits={"soon_s": 0.001}),))
    await lab.publish(1)
    with pytest.raises(APIError, match="maximum messages exceeded"):
        await lab.publish(1)
    _, diagnosis = await lab.until("JS-008")
    finding = found(diagnosis, "JS-008")
    assert (finding.severity, finding.title) == (
        "error", "ORDERS holds 100 % of the messages that it may: new ones are refused",
    )  # fmt: skip
    await lab.js.purge_stream(STREAM)
    await lab.until()


async def test_messages_that_are_dropped_before_they_were_delivered(lab: StreamsLab) -> None:
    await lab.js.update_stream(name=STREAM, subjects=["orders.>"], max_msgs=10)
    sub = await worker(lab)
    await lab.publish(5)
    for message in await fetched(sub, 5):
        await message.ack()
    await lab.until()
    await lab.publish(5)
    never = RuleSettings(code="JS-003", limits={"idle_s": 3600})
    assert (await lab.judged(never)).findings == ()
    await lab.publish(17)
    answer, diagnosis = await lab.until("JS-009", settings=(never,))
    assert (answer.consumers[0].lost, answer.streams[0].first_seq) == (12, 18)
    assert "12 messages were dropped before it got them" in found(diagnosis, "JS-009").title
    async with working(sub):
        await lab.until()


async def test_messages_that_will_be_dropped_are_foretold(lab: StreamsLab) -> None:
    await lab.js.update_stream(name=STREAM, subjects=["orders.>"], max_msgs=400)
    sub = await worker(lab)
    await lab.publish(200)
    for message in await sub.fetch(200, timeout=5):
        await message.ack()
    await lab.publish(200)
    never = RuleSettings(code="JS-003", limits={"idle_s": 3600})
    async with orders(lab, per_s=20):
        answer, diagnosis = await lab.until("JS-009", settings=(never,))
    assert answer.consumers[0].lost_in_s
    assert "messages will be dropped before it gets them" in found(diagnosis, "JS-009").title
    assert found(diagnosis, "JS-009").severity == "warning"


async def test_of_a_filtered_consumer_what_vanished_is_counted(lab: StreamsLab) -> None:
    await worker(lab, name="new", filter_subject="orders.new")
    never = RuleSettings(code="JS-003", limits={"idle_s": 3600})
    await lab.publish(10)
    await lab.publish(10, subject="orders.paid")
    assert (await lab.judged(never)).findings == ()
    await lab.js.update_stream(name=STREAM, subjects=["orders.>"], max_msgs=5)
    answer, _ = await lab.until("JS-009", settings=(never,))
    assert answer.consumers[0].lost == 10


async def test_a_subject_that_no_stream_takes(server: NatsServer, lab: StreamsLab) -> None:
    uses = StreamsSettings(names=(STREAM, "ORDERS/gone"), publishes=("orders.new", "invoices.sent"))
    async with streaming(server.url, uses) as named:
        await lab.js.add_consumer(STREAM, ConsumerConfig(durable_name="gone"))
        _, diagnosis = await named.until("JS-013")
        assert found(diagnosis, "JS-013").title == "no stream takes invoices.sent: what is published there is lost"
        await lab.js.add_stream(name="INVOICES", subjects=["invoices.>"])
        answer, _ = await named.until()
        assert (answer.named, [one.name for one in answer.streams]) == (True, [STREAM])
        await lab.js.delete_stream(STREAM)
        answer, _ = await named.until("JS-013")
        assert (answer.missing, answer.unheard_subjects) == ((STREAM,), ("orders.new",))


async def test_thresholds_that_stream_and_consumer_carry_themselves(lab: StreamsLab) -> None:
    own = {"io.nats.monitor.unprocessed-critical": "5", "io.nats.monitor.last-delivery-critical": "1h"}
    await worker(lab, metadata=own)
    never = RuleSettings(code="JS-003", limits={"idle_s": 3600})
    await lab.publish(4)
    assert (await lab.judged(never)).findings == ()
    await lab.publish(1)
    _, diagnosis = await lab.until("JS-014", settings=(never,))
    title = found(diagnosis, "JS-014").title
    assert title == "ORDERS/worker breaks its own unprocessed-critical: 5 against 5"


async def test_too_many_subjects(lab: StreamsLab) -> None:
    few = RuleSettings(code="JS-015", limits={"subjects_count": 3})
    await lab.publish(2, subject="orders.a")
    await lab.publish(1, subject="orders.b")
    assert (await lab.judged(few)).findings == ()
    await lab.publish(1, subject="orders.c")
    await lab.until("JS-015", settings=(few,))


async def test_a_paused_consumer_is_told_and_is_no_fault(lab: StreamsLab) -> None:
    await worker(lab, pause_until="2099-01-01T00:00:00Z")
    await lab.publish(5)
    answer = await lab.cause(Cause.PAUSED)
    assert (answer.consumers[0].paused_s or 0) > 3600
    assert (await lab.judged()).findings == ()


async def test_a_consumer_of_new_messages_lost_nothing_of_the_old(lab: StreamsLab) -> None:
    await lab.js.update_stream(name=STREAM, subjects=["orders.>"], max_msgs=10)
    await lab.publish(50)
    await worker(lab, deliver_policy=DeliverPolicy.ALL)
    await worker(lab, name="fresh", deliver_policy=DeliverPolicy.NEW)
    answer: Streams = await lab.look()
    assert [one.lost for one in answer.consumers] == [0, 0]
