"""A route on real servers: who would get it is told, over accounts, servers and streams, and nothing is delivered."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from diagmesh.adapters.natstrace import followed
from diagmesh.adapters.observer import Observer
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.route import Link, Route, RouteState, StepKind
from diagmesh.errors import Declined, NoAnswer, Unavailable
from diagmesh.settings import NatsSettings
from support.natsserver import NatsServer
from support.ports import free_port
from support.ruling import codes, judge

WAIT_S = 10.0
ACCOUNTS = """
accounts {
  APP: {
    jetstream: enabled
    mappings: { "old.orders": "orders.new" }
    users: [
      { user: app, password: app }
      { user: deaf, password: deaf, permissions: { subscribe: { allow: [">"], deny: ["s.secret"] }, publish: [">"] } }
      { user: eye, password: eye, permissions: { subscribe: ["_INBOX.>"],
          publish: ["orders.>", "$SYS.REQ.ACCOUNT.PING.CONNZ", "_INBOX.>"] } }
      { user: mute, password: mute, permissions: { subscribe: ["_INBOX.>"],
          publish: ["orders.>", "$SYS.REQ.ACCOUNT.PING.CONNZ"] } }
      { user: lost, password: lost, permissions: { subscribe: ["_INBOX_lost.>"], publish: [">"] } }
      { user: blind, password: blind, permissions: { subscribe: ["_INBOX.>"], publish: ["orders.>", "_INBOX.>"] } }
    ]
    exports: [ { service: "svc.open", allow_trace: true }, { service: "svc.shut" }, { stream: "news.>" } ]
  }
  OTHER: {
    users: [ { user: other, password: other } ]
    imports: [
      { service: { account: APP, subject: "svc.open" } }
      { service: { account: APP, subject: "svc.shut" } }
      { stream: { account: APP, subject: "news.>" }, allow_trace: true }
    ]
  }
}
"""
SITE = """
leafnodes { remotes: [ { url: "nats-leaf://app:app@127.0.0.1:PORT", account: APP } ] }
accounts { APP: { users: [ { user: app, password: app } ] } }
"""


class Counted:
    """Subscribers that count what they get: it must stay nothing."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def listen(self, bus: NatsBus, *subjects: str, queue: str = "") -> None:
        for subject in subjects:
            await bus.subscribe(subject, lambda message: self.got.append(message.subject), queue=queue)
        await bus.barrier(WAIT_S)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("single"), config=ACCOUNTS, jetstream=True) as one:
        yield one


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, NatsServer]]:
    """Three servers in a cluster, and one behind a leafnode of the first."""
    names, ports, leaf = ("n1", "n2", "n3"), [free_port() for _ in range(3)], free_port()
    routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ports)
    with ExitStack() as stack:
        servers = {}
        for name, port in zip(names, ports, strict=True):
            text = f'cluster {{ name: hub, listen: "127.0.0.1:{port}", routes: [{routes}] }}\n{ACCOUNTS}'
            if name == "n1":
                text += f'leafnodes {{ listen: "127.0.0.1:{leaf}" }}\n'
            made = NatsServer(tmp_path_factory.mktemp(name), config=text, name=name, jetstream=True)
            servers[name] = stack.enter_context(made)
        site = NatsServer(tmp_path_factory.mktemp("edge"), config=SITE.replace("PORT", str(leaf)), name="edge")
        servers["edge"] = stack.enter_context(site)
        yield servers


@asynccontextmanager
async def as_user(server: NatsServer, user: str) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(NatsSettings(url=server.url.replace("://", f"://{user}:{user}@")), user, timeout_s=10)
    try:
        yield bus
    finally:
        await bus.close()


async def follow(bus: NatsBus, subject: str) -> Route:
    return await followed(Observer(bus), subject, timeout_s=WAIT_S)


async def ask(bus: NatsBus, subject: str, timeout_s: float = WAIT_S, **body: Any) -> Any:
    message = await bus.request(subject, json.dumps(body).encode(), timeout_s=timeout_s)
    return json.loads(message.data)


async def replicated(bus: NatsBus, **stream: Any) -> None:
    """Make a stream as soon as the cluster has a leader; until then some requests are not answered at all."""
    while True:
        with suppress(NoAnswer):
            if "error" not in await ask(bus, f"$JS.API.STREAM.CREATE.{stream['name']}", timeout_s=2.0, **stream):
                return
        await asyncio.sleep(0.2)


async def test_subscribers_queues_mappings_and_streams_are_told_and_get_nothing(server: NatsServer) -> None:
    async with as_user(server, "app") as app, as_user(server, "eye") as eye:
        counted = Counted()
        stream = await ask(
            app, "$JS.API.STREAM.CREATE.ORDERS", name="ORDERS", subjects=["orders.new"], storage="memory"
        )
        assert "error" not in stream
        await counted.listen(app, "orders.*", "old.>")
        await counted.listen(app, "orders.>", queue="workers")
        found = await follow(eye, "orders.new")
        assert (found.state, found.receivers, found.streams, found.blind) == (RouteState.REACHED, 2, 1, ())
        (hop,) = found.hops
        assert (hop.server, hop.account, hop.link) == ("test", "APP", Link.CLIENT)
        assert {(one.kind, one.name, one.queue) for one in hop.steps} == {
            (StepKind.STORED, "ORDERS", ""),
            (StepKind.DELIVERED, "app", ""),
            (StepKind.DELIVERED, "app", "workers"),
        }
        mapped = (await follow(app, "old.orders")).hops[0].steps
        assert (mapped[0].kind, mapped[0].subject) == (StepKind.MAPPED, "orders.new")
        assert codes(judge([found])) == []
        # Whatever had been on its way is there before the answers to these.
        await app.barrier(WAIT_S)
        info = await ask(app, "$JS.API.STREAM.INFO.ORDERS")
        assert (info["state"]["messages"], info["state"]["last_seq"], counted.got) == (0, 0, [])
        # The same subjects do arrive and are stored when somebody publishes for real: the counting works.
        await app.publish("orders.new", b"1")
        async with asyncio.timeout(WAIT_S):
            while len(counted.got) < 2 or (await ask(app, "$JS.API.STREAM.INFO.ORDERS"))["state"]["messages"] != 1:
                await asyncio.sleep(0.02)
        await ask(app, "$JS.API.STREAM.DELETE.ORDERS")


async def test_nobody_listens(server: NatsServer) -> None:
    async with as_user(server, "eye") as eye:
        found = await follow(eye, "orders.gone")
        assert (found.state, found.receivers, len(found.hops)) == (RouteState.NOBODY, 0, 1)
        assert codes(judge([found])) == ["NATS-020"]


async def test_a_stream_by_interest_without_consumer_keeps_nothing(server: NatsServer) -> None:
    async with as_user(server, "app") as app:
        fields: dict[str, Any] = {"name": "IDLE", "subjects": ["idle.>"], "retention": "interest", "storage": "memory"}
        await ask(app, "$JS.API.STREAM.CREATE.IDLE", **fields)
        found = await follow(app, "idle.one")
        assert found.state is RouteState.NOBODY
        diagnosis = judge([found])
        assert codes(diagnosis) == ["NATS-020"]
        assert "stream IDLE keeps nothing" in diagnosis.findings[0].title
        await ask(app, "$JS.API.STREAM.DELETE.IDLE")


async def test_a_receiver_that_may_not_hear_it_is_named(server: NatsServer) -> None:
    async with as_user(server, "app") as app, as_user(server, "deaf") as deaf:
        counted = Counted()
        await counted.listen(deaf, "s.*")
        found = await follow(app, "s.secret")
        assert (found.state, found.refusals) == (RouteState.REFUSED, 1)
        diagnosis = judge([found])
        assert codes(diagnosis) == ["NATS-021"]
        assert "is kept from deaf by permissions" in diagnosis.findings[0].title
        assert codes(judge([await follow(app, "s.open")])) == []
        assert counted.got == []


async def test_imports_between_accounts_are_crossed_where_the_export_allows_it(server: NatsServer) -> None:
    async with as_user(server, "app") as app, as_user(server, "other") as other:
        counted = Counted()
        await counted.listen(app, "svc.*")
        await counted.listen(other, "news.>")
        found = await follow(other, "svc.open")
        assert [(one.kind, one.account) for one in found.hops[0].steps] == [
            (StepKind.IMPORTED, "APP"),
            (StepKind.DELIVERED, "APP"),
        ]
        assert found.state is RouteState.REACHED
        shut = await follow(other, "svc.shut")
        assert (shut.state, len(shut.blind)) == (RouteState.UNSEEN, 1)
        assert "allow_trace" in shut.blind[0].fix
        assert codes(judge([shut])) == []
        news = await follow(app, "news.today")
        assert [(one.kind, one.account) for one in news.hops[0].steps] == [
            (StepKind.EXPORTED, "OTHER"),
            (StepKind.DELIVERED, "OTHER"),
        ]
        assert (news.state, news.blind) == (RouteState.REACHED, ())
        assert counted.got == []


async def test_a_role_that_may_not_publish_there_hears_how_to_allow_it(server: NatsServer) -> None:
    async with as_user(server, "eye") as eye, as_user(server, "mute") as mute, as_user(server, "blind") as blind:
        with pytest.raises(Declined) as refused:
            await follow(eye, "payments.new")
        assert refused.value.code == 403
        assert "allow the role of this connection to publish on payments.new" in refused.value.hint
        with pytest.raises(Declined, match="traces arrive in the inbox of this role") as deaf:
            await followed(Observer(mute), "orders.new", timeout_s=WAIT_S)
        assert (deaf.value.code, deaf.value.hint) == (403, "allow the role of this connection to publish on _INBOX.>")
        with pytest.raises(Declined) as unknown:
            await follow(blind, "orders.new")
        assert (unknown.value.code, "PING.CONNZ" in unknown.value.hint) == (403, True)
    async with as_user(server, "lost") as lost:
        with pytest.raises(Declined, match="may not subscribe _INBOX") as unheard:
            await follow(lost, "orders.new")
        assert (unheard.value.code, "--inbox-prefix" in unheard.value.hint) == (403, True)


async def test_a_cluster_and_a_site_behind_a_leafnode(estate: dict[str, NatsServer]) -> None:
    async with AsyncExitStack() as stack:
        counted = Counted()
        for name, server in estate.items():
            bus = await stack.enter_async_context(as_user(server, "app"))
            await counted.listen(bus, f"orders.{name}", "orders.all")
        eye = await stack.enter_async_context(as_user(estate["n2"], "eye"))
        async with asyncio.timeout(WAIT_S * 3):
            while (found := await follow(eye, "orders.all")).receivers < len(estate):
                await asyncio.sleep(0.1)  # until all of them have heard of all subscriptions
        assert found.state is RouteState.REACHED
        assert {hop.server for hop in found.hops} == set(estate)
        assert found.hops[0].server == "n2"
        edge = next(hop for hop in found.hops if hop.server == "edge")
        above = next(hop for hop in found.hops if hop.server == "n1")
        assert (edge.link, edge.id.rpartition(".")[0]) == (Link.LEAF, above.id)
        alone = await follow(eye, "orders.edge")
        assert (alone.receivers, [hop.server for hop in alone.hops]) == (1, ["n2", "n1", "edge"])
        nobody = await follow(eye, "orders.none")
        assert codes(judge([nobody])) == ["NATS-020"]
        assert counted.got == []


async def test_a_stream_with_replicas_is_followed_to_its_leader_and_stores_nothing(
    estate: dict[str, NatsServer],
) -> None:
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(as_user(estate[name], "app")) for name in ("n1", "n2", "n3")]
        fields: dict[str, Any] = {"name": "KEPT", "subjects": ["kept.>"], "num_replicas": 3}
        async with asyncio.timeout(WAIT_S * 6):
            await replicated(apps[0], **fields)
            while not (info := await ask(apps[0], "$JS.API.STREAM.INFO.KEPT")).get("cluster", {}).get("leader"):
                await asyncio.sleep(0.1)
            for app in apps:
                while (found := await follow(app, "kept.one")).streams != 1:
                    await asyncio.sleep(0.1)  # until each server knows who wants it
                leader = next(hop for hop in found.hops for step in hop.steps if step.kind is StepKind.STORED)
                assert leader.server == info["cluster"]["leader"]
                assert found.state is RouteState.REACHED
        state = (await ask(apps[0], "$JS.API.STREAM.INFO.KEPT"))["state"]
        assert (state["messages"], state["last_seq"]) == (0, 0)


async def test_over_a_gateway_to_another_cluster(tmp_path_factory: pytest.TempPathFactory) -> None:
    ports = {"east": free_port(), "west": free_port()}
    gateways = ", ".join(f'{{ name: {name}, url: "nats://127.0.0.1:{port}" }}' for name, port in ports.items())
    with ExitStack() as servers:
        east, west = (
            servers.enter_context(
                NatsServer(
                    tmp_path_factory.mktemp(name),
                    config=f'gateway {{ name: {name}, listen: "127.0.0.1:{port}", gateways: [ {gateways} ] }}',
                    name=name,
                )
            )
            for name, port in ports.items()
        )
        async with as_user(east, "app") as here, as_user(west, "app") as there:
            counted = Counted()
            await counted.listen(there, "orders.>")
            async with asyncio.timeout(WAIT_S * 3):
                while (found := await follow(here, "orders.new")).state is not RouteState.REACHED:
                    await asyncio.sleep(0.1)  # until the gateways stand
            assert [(hop.server, hop.link) for hop in found.hops] == [("east", Link.CLIENT), ("west", Link.GATEWAY)]
            assert (await follow(here, "gone.new")).state is RouteState.NOBODY
            await there.barrier(WAIT_S)
            assert counted.got == []


class Old(Observer):
    """Real servers, of which one says that it is older."""

    async def gather(self, subject: str, *more: Any, **rest: Any) -> Any:
        replies = await super().gather(subject, *more, **rest)
        if not subject.startswith("$SYS"):
            pytest.fail("a message went out, which that server would have delivered")
        return [type(one)(one.subject, one.data.replace(b'"ver":"2.15', b'"ver":"2.10', 1)) for one in replies]


async def test_where_an_older_server_could_deliver_it_nothing_is_sent(server: NatsServer) -> None:
    async with as_user(server, "app") as app:
        with pytest.raises(Unavailable) as refused:
            await followed(Old(app), "orders.new", timeout_s=WAIT_S)
        assert (refused.value.code, "test (2.10" in refused.value.detail) == (501, True)
