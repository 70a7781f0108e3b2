"""NATS-024: requests reach a service that must answer them, and it sends nothing."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Final

import nats
import pytest
from msgspec.structs import replace
from nats.aio.client import Client
from nats.aio.msg import Msg

from diagmesh.contract.answers.connection import Connection, Link, ServerView, SubscriptionView
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Blind
from diagmesh.settings import ConnectionSettings, RuleSettings
from support.linked import linked, login, service
from support.natsserver import MakeServer, NatsServer
from support.ruling import codes, found, judge, verdict

_USERS: Final = """
accounts { SYS { users = [{user: sys, password: sys}] },
  APP { users = [{user: app, password: app}, {user: eye, password: eye}] } }
system_account: SYS
"""


@contextlib.asynccontextmanager
async def asked(server: NatsServer, subject: str = "orders.get") -> AsyncIterator[Client]:
    """Somebody asks twenty times a second, and does not wait for the answer before he asks again."""
    asker = await nats.connect(login(server.url, "app"), name="asker")

    async def ask() -> None:
        while True:
            await asker.publish(subject, b"{}", reply="_INBOX.nobody.waits")
            await asyncio.sleep(0.05)

    asking = asyncio.create_task(ask())
    try:
        yield asker
    finally:
        asking.cancel()
        await asyncio.wait({asking})
        await asker.close()


async def test_a_service_that_takes_requests_and_answers_none_is_named(make_server: MakeServer) -> None:
    with make_server(config=_USERS) as server:
        given = ConnectionSettings(url=login(server.url, "app"), answers=("orders.get",))
        with service(server, subscribe=["orders.get", "orders.events"]) as child:
            async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
                assert codes(await it.judged()) == [], "nobody asks yet"
                async with asked(server):
                    finding = found(await it.until("NATS-024"), "NATS-024")
                async with asked(server, "orders.events"):
                    await it.until()
    assert "requests a second reach it on orders.get, and it sends 0 messages" in finding.title


async def test_one_that_answers_is_none(make_server: MakeServer) -> None:
    with make_server(config=_USERS) as server:
        given = ConnectionSettings(url=login(server.url, "app"), answers=("orders.get",))
        one = await nats.connect(login(server.url, "app"), name="orders")

        async def answer_it(message: Msg) -> None:
            await message.respond(b"{}")

        try:
            await one.subscribe("orders.get", cb=answer_it)
            await one.flush()
            async with (
                linked(pid=os.getpid(), observer=login(server.url, "eye"), connection=given) as it,
                asked(server),
            ):
                await asyncio.sleep(0.5)
                # Long enough that one request whose answer is on its way is not two a second.
                answer = await it.answer(interval_s=1.0)
                diagnosis = await it.judged(interval_s=1.0)
        finally:
            await one.close()
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "NATS-024").verdict is Verdict.CLEAR
    subs = {sub.subject: sub for link in answer.links or () if link.seen is not None for sub in link.seen.subs}
    assert (subs["orders.get"].msgs_per_s or 0) > 2


def seen(*, sent: float | None = 0.0, unread: int = 0, answers: bool = True) -> Connection:
    """One connection that gets ten requests a second."""
    sub = SubscriptionView(subject="orders.get", msgs=100, msgs_per_s=10.0, answers=answers)
    view = ServerView(server="n1", server_id="N1", cid=7, in_msgs_per_s=sent, out_msgs_per_s=10.0, subs=(sub,))
    link = Link(
        local="127.0.0.1:1",
        remote="127.0.0.1:4222",
        state="ESTABLISHED",
        send_queue_bytes=0,
        receive_queue_bytes=unread,
        seen=view,
    )
    return Connection(links=(link,), ended=(), clocks=())


@pytest.mark.parametrize("answer", [seen(sent=9.0), seen(unread=4096), seen(answers=False), seen(sent=None)])
def test_what_looks_similar_is_none(answer: Connection) -> None:
    assert "NATS-024" not in codes(judge([answer]))


def test_thresholds_may_be_set() -> None:
    assert codes(judge([seen()])) == ["NATS-024"]
    assert codes(judge([seen()], RuleSettings(code="NATS-024", limits={"requests_per_s": 50.0}))) == []


def test_where_nothing_must_be_answered_there_is_nothing_to_judge() -> None:
    (missing,) = verdict(judge([seen(answers=False)]), "NATS-024").not_judged
    assert missing.not_here


def test_whose_subscriptions_were_not_all_seen_is_not_judged() -> None:
    hidden = Blind(what="subscriptions and rates of the others", why="it has 9 connections")
    (missing,) = verdict(judge([replace(seen(answers=False), blind=(hidden,))]), "NATS-024").not_judged
    assert (missing.not_here, missing.why) == (False, "not all of its subscriptions were seen: it has 9 connections")
