"""The observer connection as agents use it: one answer, every answer, what is published, and each refusal by name."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from diagmesh.adapters.observer import Observer
from diagmesh.appnats import AppReply, NoAppNats, cannot_ask
from diagmesh.bus.core import Message
from diagmesh.bus.nats import NatsBus
from diagmesh.errors import BusError, NoAnswer, NoObserver, NoResponders, NotConnected, NotPermitted
from diagmesh.settings import NatsSettings
from support.natsserver import MakeServer, NatsServer

CONFIG = """
accounts { APP: { users: [
  { user: app, password: app }
  { user: eye, password: eye, permissions: { subscribe: ["_INBOX.>", "news.>"],
      publish: ["ask.>", "$SYS.REQ.ACCOUNT.PING.CONNZ"] } }
] } }
"""


@asynccontextmanager
async def bus(server: NatsServer, user: str) -> AsyncIterator[NatsBus]:
    one = await NatsBus.connect(NatsSettings(url=server.url.replace("://", f"://{user}:{user}@")), user)
    try:
        yield one
    finally:
        await one.close()


async def test_what_may_be_asked_is_answered_and_the_rest_refused_by_name(make_server: MakeServer) -> None:
    with make_server(config=CONFIG) as server:
        async with bus(server, "app") as app, bus(server, "eye") as own:
            eye = Observer(own)
            assert (eye.there, eye.state, eye.server) == (True, "connected", "test")
            for word in (b"one", b"two"):
                await app.subscribe("ask.all", lambda m, word=word: _answer(app, m.reply, word))  # type: ignore[misc]
            await app.subscribe("ask.mute", lambda _: None)
            await app.barrier()
            assert (await eye.request("ask.all")).data in (b"one", b"two")
            assert sorted(one.data for one in await eye.gather("ask.all", timeout_s=5)) == [b"one", b"two"]
            assert len(await eye.gather("ask.all", timeout_s=5, most=1)) == 1
            (told,) = await eye.gather("$SYS.REQ.ACCOUNT.PING.CONNZ", timeout_s=5)
            assert {one["name"] for one in json.loads(told.data)["data"]["connections"]} == {"app", "eye"}
            with pytest.raises(NoResponders):
                await eye.request("ask.nobody")
            with pytest.raises(NoResponders):
                await eye.gather("ask.nobody")
            with pytest.raises(NoAnswer):
                await eye.gather("ask.mute", timeout_s=0.2)
            with pytest.raises(NotPermitted) as refused:
                await eye.gather("orders.new", timeout_s=5)
            blind = cannot_ask(refused.value, "connections", "orders.new")
            assert (blind.what, blind.fix) == ("connections", "allow the role of target.nats to publish on orders.new")
            inbox = NotPermitted("this role may not subscribe _INBOX.1f.*.*", "_INBOX.1f.*.*")
            assert cannot_ask(inbox, "connections", "orders.new").fix.startswith("set its inbox_prefix: ")


async def test_a_header_can_name_our_inbox_and_silence_is_no_error_then(make_server: MakeServer) -> None:
    with make_server(config=CONFIG) as server:
        async with bus(server, "app") as app, bus(server, "eye") as own:
            eye = Observer(own)
            assert await eye.gather("ask.nobody", timeout_s=0.2, reply_header="Answer-To") == ()

            def answer(message: Message) -> None:
                _answer(app, (message.headers or {})["Answer-To"], b"seen")

            await app.subscribe("ask.way", answer)
            await app.barrier()
            (told,) = await eye.gather("ask.way", timeout_s=5, reply_header="Answer-To", most=1)
            assert told.data == b"seen"


async def test_what_is_published_is_heard_until_it_is_ended(make_server: MakeServer) -> None:
    with make_server(config=CONFIG) as server:
        async with bus(server, "app") as app, bus(server, "eye") as own:
            heard: list[AppReply] = []
            end = await Observer(own).listen("news.>", heard.append)
            await own.barrier()
            await app.publish("news.one", b"1", headers={"A": "b"})
            async with asyncio.timeout(10):
                while not heard:
                    await asyncio.sleep(0.01)
            assert (heard[0].subject, heard[0].data, heard[0].headers["A"]) == ("news.one", b"1", "b")
            await end()


async def test_a_connection_that_does_not_stand_says_why(make_server: MakeServer) -> None:
    server = make_server(config=CONFIG)
    own = NatsBus(NatsSettings(url=server.url), "eye")
    own.start()
    try:
        eye = Observer(own)
        async with asyncio.timeout(10):
            while "refused" not in eye.state:
                await asyncio.sleep(0.01)
        with pytest.raises(NotConnected) as error:
            await eye.request("ask.all")
        assert cannot_ask(error.value, "connections", "ask.all").fix.startswith("check target.nats")
    finally:
        await own.close()


async def test_without_one_every_question_says_what_to_add(tmp_path: Path) -> None:
    none = NoAppNats("orders/i1")
    assert not none.there
    for asking in (none.request("a"), none.gather("a"), none.listen("a", lambda _: None)):
        with pytest.raises(NoObserver, match="orders/i1") as refused:
            await asking
        assert refused.value.code == 501
        assert "[targets.nats]" in refused.value.hint


def test_an_unknown_trouble_is_told_as_one_of_our_connection() -> None:
    assert cannot_ask(BusError(""), "x", "y").why == "our connection to the application's account: BusError"


def _answer(app: NatsBus, to: str, word: bytes) -> None:
    task = asyncio.get_running_loop().create_task(app.publish(to, word))
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)


_TASKS: set[asyncio.Task[None]] = set()
