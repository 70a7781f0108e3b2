"""A question that arrives while a fresh connection still confirms its subscriptions is answered, not dropped."""

import asyncio

import pytest

from diagmesh.bus.core import BusState, Message
from diagmesh.bus.nats import NatsBus
from diagmesh.bus.nats.link import Link
from diagmesh.errors import NoResponders, NotConnected
from diagmesh.settings import NatsSettings
from support.natsserver import NatsServer


async def test_answers_go_out_before_the_subscriptions_are_confirmed(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = NatsSettings(url=nats_server.url)
    asker = NatsBus(settings, "asker")
    asker.start()
    while asker.state.state is not BusState.CONNECTED:
        await asyncio.sleep(0.01)
    confirmed, really = asyncio.Event(), Link.flush

    async def slow(link: Link, timeout_s: float) -> bool:
        done = await really(link, timeout_s)
        await confirmed.wait()
        return done

    monkeypatch.setattr(Link, "flush", slow)
    answerer = NatsBus(settings, "answerer")
    answers: set[asyncio.Task[None]] = set()

    def answer(message: Message) -> None:
        answers.add(asyncio.create_task(answerer.publish(message.reply, b"here")))

    await answerer.subscribe("question", answer)
    answerer.start()
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    reply = await asker.request("question", timeout_s=2.0)
                    break
                except NoResponders:
                    await asyncio.sleep(0.02)
        assert reply.data == b"here"
        assert answerer.state.state is BusState.CONNECTING
        with pytest.raises(NotConnected):
            await answerer.request("question", timeout_s=1.0)
    finally:
        confirmed.set()
        monkeypatch.undo()
        await answerer.close()
        await asker.close()
    assert answers
