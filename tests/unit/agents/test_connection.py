"""connection: sockets joined to what servers tell, rates of two looks, what ended, and what could not be seen."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import nats
import pytest

from diagmesh.adapters import connz
from diagmesh.adapters.connz import Seen
from diagmesh.adapters.natsmon.connz import Connection as Told
from diagmesh.adapters.natsmon.connz import Subscription
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.observer import Observer
from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryServer
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.connection import (
    AuthVerdict,
    Connection,
    ConnectionQuestion,
    Door,
    DoorVerdict,
    PortKind,
)
from diagmesh.contract.codec import problem_of
from diagmesh.errors import Unavailable
from diagmesh.settings import ConnectionSettings, NatsSettings, TargetSettings
from diagmesh.target import MetConnections, TcpLink
from diagmesh.testing import FakeProcess, FakeTarget
from diagmesh_agents._joining import joined, own_closed, view
from diagmesh_agents.connection import _patience_s, connection
from support.certificates import Authority
from support.linked import APP, client, linked, login, service, tell
from support.natsserver import MakeServer
from support.ruling import codes, judge, reply

SOCKET: Final = TcpLink(
    local_address="10.0.0.7",
    local_port=40000,
    remote_address="10.0.0.9",
    remote_port=4222,
    state="ESTABLISHED",
    send_queue_bytes=0,
    receive_queue_bytes=0,
)


def seen(ip: str = "10.0.0.7", port: int = 40000, cid: int = 1, now_s: float = 0.0, **more: Any) -> Seen:
    return Seen("n1", "NID", now_s, Told(cid=cid, ip=ip, port=port, **more))


def test_a_socket_is_the_connection_with_its_address_and_port() -> None:
    mine, other = seen(cid=1), seen("10.0.0.8", cid=2)
    assert joined([SOCKET], [other, mine]) == {SOCKET: mine}


def test_behind_an_address_translation_the_port_must_be_the_only_one() -> None:
    assert joined([SOCKET], [seen("192.0.2.1")]) == {SOCKET: seen("192.0.2.1")}
    assert joined([SOCKET], [seen("192.0.2.1"), seen("192.0.2.2", cid=2)]) == {}


def test_rates_need_two_looks() -> None:
    first = seen(out_msgs=10, subs_detail=(Subscription(subject="a", sid="1", msgs=4),))
    later = seen(out_msgs=30, now_s=2.0, subs_detail=(Subscription(subject="a", sid="1", msgs=8),))
    assert view(first, None, 5).out_msgs_per_s is None
    told = view(first, later, 5)
    assert (told.out_msgs_per_s, told.subs[0].msgs_per_s) == (10.0, 2.0)


def test_ended_ones_are_known_by_what_was_met_or_by_name_and_address() -> None:
    met = MetConnections()
    gone = [seen(cid=1), seen(cid=2, name="orders"), seen("10.0.0.8", cid=3, name="orders"), seen(cid=4, name="x")]
    assert own_closed(gone, met, "") == []
    met.remember("NID", 1, "", "10.0.0.7")
    assert own_closed(gone, met, "orders") == gone[:2]


def test_what_was_met_is_bounded() -> None:
    met = MetConnections()
    for cid in range(1000):
        met.remember("NID", cid, f"n{cid}", "10.0.0.7")
    assert (len(met.keys), len(met.names), len(met.addresses)) == (256, 256, 1)


async def test_without_servers_and_observer_it_says_how_to_name_them() -> None:
    with pytest.raises(Unavailable) as refused:
        await connection.look(ConnectionQuestion(), FakeTarget(FakeProcess()))
    assert refused.value.code == 501
    assert "[targets.connection]" in refused.value.hint
    assert "[targets.nats]" in refused.value.hint
    diagnosis = judge([reply(problem_of(refused.value), Connection)])
    told = [one for one in diagnosis.verdicts if one.code in ("NATS-001", "NATS-010", "NATS-024")]
    assert [missing.not_here for one in told for missing in one.not_judged] == [True, True, True]


class Doors:
    """Of the settings of a service that must answer on one subject."""

    source = "target.connection"
    client_name = "orders"
    answers = ("orders.get",)

    async def knock(self, timeout_s: float, pings: int) -> Sequence[Door]:
        return ()


Tells = Callable[[dict[str, Any]], tuple[float, list[dict[str, Any]]]]


class Servers:
    """Servers in memory: each says to a question after how long it answers, and with which connections."""

    def __init__(self) -> None:
        self.bus = MemoryServer().bus()
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, name: str, tells: Tells) -> None:
        async def say(message: Message) -> None:
            after_s, ones = tells(msgspec.json.decode(message.data))
            if after_s:
                await asyncio.sleep(after_s)
            head, body = {"name": name, "id": name}, {"now": datetime.now(UTC), "connections": ones}
            await self.bus.publish(message.reply, msgspec.json.encode({"server": head, "data": body}))

        await self.bus.subscribe(connz.SUBJECT, lambda message: self._tasks.add(asyncio.create_task(say(message))))

    def target(self) -> FakeTarget:
        return FakeTarget(FakeProcess(links=(SOCKET,)), nats=Observer(self.bus), doors=Doors())


@pytest.mark.parametrize(("sent", "found"), [(10, False), (0, True)], ids=["it answers", "it does not"])
async def test_answers_to_a_burst_of_requests_are_waited_for(sent: int, found: bool) -> None:
    looks = iter([(0, 0), (10, 0), (10, sent)])

    def tells(asked: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
        if asked.get("state"):
            return 0.0, []
        came, went = next(looks) if "cid" in asked else (0, 0)
        sub = {"subject": "orders.get", "sid": "1", "msgs": came}
        one = {"cid": 1, "ip": "10.0.0.7", "port": 40000, "in_msgs": went, "subscriptions_list_detail": [sub]}
        return 0.0, [one]

    servers = Servers()
    await servers.add("n1", tells)
    question = ConnectionQuestion(preflight=False, interval_s=0.05)
    answer = await connection.look(question, servers.target())
    assert isinstance(answer, Connection)
    assert ("NATS-024" in codes(judge([answer]))) is found
    assert next(looks, None) is None, "each look was taken"


@pytest.mark.parametrize(
    ("timeout_ms", "interval_s", "expected_s"),
    [(None, 0.5, 1.0), (1700, 0.5, 0.48), (5000, 3.0, 0.8), (1000, 3.0, 0.0)],
)
def test_waiting_for_answers_leaves_time_to_answer(
    timeout_ms: int | None, interval_s: float, expected_s: float
) -> None:
    question = ConnectionQuestion(timeout_ms=timeout_ms, interval_s=interval_s)
    assert _patience_s(question) == pytest.approx(expected_s)


async def test_what_ended_at_the_server_that_answers_last_is_told_with_its_subjects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("diagmesh_agents.connection._ASK_S", 10.0)
    gone = {
        "cid": 9,
        "ip": "10.0.0.7",
        "name": "orders",
        "stop": datetime.now(UTC),
        "reason": "Slow Consumer (Pending Bytes)",
        "subscriptions_list_detail": [{"subject": "flood", "sid": "1"}],
    }

    def first(asked: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
        there = not asked.get("state") and asked.get("cid", 1) == 1
        return 0.0, [{"cid": 1, "ip": "10.0.0.7", "port": 40000}] if there else []

    def second(asked: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
        if not asked.get("state"):
            return 0.0, []
        return 0.5, [{**gone, **({} if "cid" in asked else {"subscriptions_list_detail": []})}]

    servers = Servers()
    await servers.add("n1", first)
    await servers.add("n2", second)
    answer = await connection.look(ConnectionQuestion(preflight=False, interval_s=0), servers.target())
    assert isinstance(answer, Connection)
    assert [(one.server, one.cid, one.subjects) for one in answer.ended or ()] == [("n2", 9, ("flood",))]
    assert answer.blind == ()


def delivered(answer: Connection) -> int:
    views = [link.seen for link in answer.links or () if link.seen is not None]
    return sum(sub.msgs for view in views for sub in view.subs)


async def test_both_views_of_one_real_connection_are_joined(make_server: MakeServer) -> None:
    with make_server(config=APP) as server:
        given = ConnectionSettings(url=login(server.url, "app"))
        with service(server, "orders", subscribe=["a.b", "c.>"]) as child, service(server, "other") as other:
            tell(other, "publish a.b 10 3")
            async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
                async with asyncio.timeout(20):
                    while delivered(answer := await it.answer()) < 3:  # what was published is on its way
                        pass
    (link,) = answer.links or ()
    assert link.seen is not None
    assert (link.seen.name, link.seen.account, link.seen.server) == ("orders", "APP", "test")
    assert [(sub.subject, sub.msgs) for sub in link.seen.subs] == [("a.b", 3), ("c.>", 0)]
    assert (answer.connections, answer.subscriptions, answer.verdict) == (1, 2, DoorVerdict.OPEN)
    assert answer.blind == ()


async def test_without_an_observer_the_rest_is_told_and_the_way_to_the_rest(make_server: MakeServer) -> None:
    with make_server() as server, client(server) as child:
        async with linked(pid=child.pid, connection=ConnectionSettings(url=server.url)) as it:
            answer = await it.answer()
    (link,) = answer.links or ()
    assert (link.remote, link.seen, answer.ended) == (server.url.removeprefix("nats://"), None, None)
    (blind,) = answer.blind
    assert "[targets.nats]" in blind.fix


async def test_an_observer_that_may_not_ask_is_blind_with_the_permission_that_it_lacks(make_server: MakeServer) -> None:
    with (
        make_server(config=APP.replace('"$SYS.REQ.ACCOUNT.PING.CONNZ"', '"nothing"')) as server,
        service(server) as one,
    ):
        given = ConnectionSettings(url=login(server.url, "app"))
        async with linked(pid=one.pid, observer=login(server.url, "eye"), connection=given) as it:
            answer = await it.answer()
    assert {blind.fix for blind in answer.blind} == {
        "allow the role of target.nats to publish on $SYS.REQ.ACCOUNT.PING.CONNZ"
    }


async def test_the_observers_own_server_is_knocked_at_where_nothing_else_is_named(make_server: MakeServer) -> None:
    with make_server(config=APP) as server, service(server) as child:
        settings = NatsSettings(url=login(server.url, "eye"))
        bus = await NatsBus.connect(settings, "eye")
        try:
            target = TargetSettings(service="orders", instance="i1", pid=child.pid, nats=settings)
            answer = await connection.look(ConnectionQuestion(interval_s=0), Neighbour(target, nats=Observer(bus)))
        finally:
            await bus.close()
    assert isinstance(answer, Connection)
    assert (answer.knocked_from, answer.verdict, answer.observer) == ("target.nats", DoorVerdict.OPEN, "connected")


@pytest.mark.parametrize("first", [False, True])
async def test_the_certificate_is_told(make_server: MakeServer, tmp_path: Path, first: bool) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.leaf()
    handshake = 'handshake_first: "200ms"' if first else ""
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}", {handshake} }}'
    with make_server(config=tls) as server:
        url = server.url.replace("nats://", "tls://")
        given = ConnectionSettings(url=url, tls_ca_file=str(authority.bundle), tls_first=first)
        async with linked(connection=given) as it:
            (door,) = (await it.answer()).doors
    assert (door.verdict, door.port, door.auth.verdict) == (DoorVerdict.OPEN, PortKind.CLIENT, AuthVerdict.NOT_NEEDED)
    assert door.tls is not None
    assert "localhost" in door.tls.names
    assert 1 < (door.tls.days_left or 0) < 3
    assert door.round_trips is not None
    assert door.round_trips.count == 3


async def test_of_very_many_connections_some_are_looked_at_closely_and_that_is_told(make_server: MakeServer) -> None:
    with make_server(config=APP) as server:
        async with AsyncExitStack() as stack:
            for number in range(9):
                await stack.enter_async_context(await nats.connect(login(server.url, "app"), name=f"c{number}"))
            async with linked(observer=login(server.url, "eye")) as it:
                answer = await it.answer()
    views = [link.seen for link in answer.links or () if link.seen is not None]
    assert len(views) == 10  # and the observer, which is in this very process
    assert sum(view.in_msgs_per_s is not None for view in views) == 8
    assert [one.what for one in answer.blind] == ["doors", "subscriptions and rates of the others"]
