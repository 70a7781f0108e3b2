"""Streams through a real observer: with the rights of its role and no others, and in a cluster that falls apart."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import nats
import nats.errors
import pytest
from nats.js.api import ConsumerConfig

from diagmesh.contract.answers.streams import Cause, Streams, StreamsQuestion
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.errors import Unavailable
from diagmesh.settings import NatsSettings, RuleSettings, StreamsSettings
from diagmesh_agents.streams import streams
from diagmesh_cli.local.roles import make_keyring, server_config
from faults.shop import USERS
from support.children import Child
from support.linked import Linked, linked, login, service
from support.natsserver import MakeServer, NatsServer
from support.ports import free_port
from support.ruling import codes, found, judge, verdict
from support.streaming import SOON, streaming

CLUSTER: Final = ("n1", "n2", "n3")


async def test_the_role_of_the_observer_suffices_and_reads_no_message(make_server: MakeServer, tmp_path: Path) -> None:
    ring = make_keyring(tmp_path, ("orders",))
    server = make_server(config=server_config(ring, ("orders",), -1).decode()).start()
    observer = NatsSettings(url=server.url, nkey_file=str(ring.seed_file("observer")), inbox_prefix="_INBOX_observer")
    uses = StreamsSettings(names=("ORDERS",), publishes=("orders.new",))
    async with streaming(server.url, uses, observer, nkeys_seed=str(ring.seed_file("app"))) as lab:
        await lab.js.add_stream(name="ORDERS", subjects=["orders.>"])
        await lab.js.add_consumer("ORDERS", ConsumerConfig(durable_name="worker", max_deliver=1, ack_wait=1))
        sub = await lab.js.pull_subscribe_bind("worker", "ORDERS")
        await lab.publish(1)
        await sub.fetch(1, timeout=5)
        await lab.publish(3)
        await sub.fetch(3, timeout=5)
        with pytest.raises(TimeoutError):
            await sub.fetch(1, timeout=2.5)  # there is none; all four are given up meanwhile
        answer, diagnosis = await lab.until("JS-005")
        assert answer.blind == ()
        assert (answer.named, answer.consumers[0].cause) == (True, Cause.POISON)
        assert found(diagnosis, "JS-005").instances == ("orders/i1",)
        blind = (await lab.look(head=True)).blind
        assert [one.what for one in blind] == ["messages"]
        assert blind[0].fix == "allow the role of target.nats to publish on $JS.API.STREAM.MSG.GET.ORDERS"
    asks = msgspec.structs.replace(uses, ids=("ORDERS",))
    async with streaming(server.url, asks, observer, nkeys_seed=str(ring.seed_file("app"))) as lab:
        blind = (await lab.look()).blind
        assert [one.fix for one in blind] == ["allow the role of target.nats to publish on $JS.API.DIRECT.GET.ORDERS"]


async def test_who_may_not_hear_advisories_does_not_know_what_was_given_up(make_server: MakeServer) -> None:
    rights = 'permissions: { subscribe: ["_INBOX.>"], publish: ["$JS.API.>"] }'
    users = f"{{ user: app, password: app }}, {{ user: eye, password: eye, {rights} }}"
    server = make_server(jetstream=True, config=f"authorization {{ users: [ {users} ] }}").start()
    eye = NatsSettings(url=server.url.replace("://", "://eye:eye@"))
    async with streaming(server.url.replace("://", "://app:app@"), None, eye) as lab:
        await lab.js.add_stream(name="ORDERS", subjects=["orders.>"])
        await lab.js.add_consumer("ORDERS", ConsumerConfig(durable_name="worker"))
        answer, diagnosis = await lab.until(also=lambda answer: bool(answer.blind))
    assert [(one.what, one.fix) for one in answer.blind] == [
        ("advisories", "allow the role of target.nats to subscribe to $JS.EVENT.ADVISORY.>")
    ]
    assert answer.listening_s is None
    assert verdict(diagnosis, "JS-005").verdict is Judged.BLIND
    assert verdict(diagnosis, "JS-001").verdict is Judged.CLEAR


async def test_an_account_without_jetstream_offers_no_streams(make_server: MakeServer) -> None:
    async with streaming(make_server().start().url) as lab:
        with pytest.raises(Unavailable) as refusal:
            await lab.look()
    assert refusal.value.code == 501
    assert "enable JetStream" in refusal.value.hint


async def test_a_server_that_is_away_is_no_answer(make_server: MakeServer) -> None:
    server = make_server(jetstream=True).start()
    async with streaming(server.url) as lab:
        server.kill()
        with pytest.raises(Unavailable) as refusal:
            await lab.look()
    assert refusal.value.code == 503


async def test_a_thousand_consumers_are_counted_and_the_worst_are_told(make_server: MakeServer) -> None:
    async with streaming(make_server(jetstream=True).start().url) as lab:
        await lab.js.add_stream(name="ORDERS", subjects=["orders.>"])
        for number in range(1000):
            await lab.js.add_consumer("ORDERS", ConsumerConfig(name=f"c{number}", mem_storage=True))
        await lab.publish(3)
        async with asyncio.timeout(20):  # consumers hear of a message after whoever published it
            while (answer := await lab.look(most=10)).totals.pending < 3000:
                await asyncio.sleep(0.1)
    assert (answer.totals.consumers, answer.totals.pending) == (1000, 3000)
    assert (len(answer.consumers), answer.left_out, answer.not_looked_at) == (10, 990, 0)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[dict[str, NatsServer]]:
    """Three servers in a cluster."""
    ports = {name: free_port() for name in CLUSTER}
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports.values())
    with ExitStack() as stack:
        servers = {}
        for name, port in ports.items():
            folder = tmp_path / name
            folder.mkdir()
            config = f"cluster {{ name: c, listen: '127.0.0.1:{port}', routes: [{routes}] }}"
            servers[name] = NatsServer(folder, config=config, jetstream=True, name=name)
            stack.callback(servers[name].close)
        for one in servers.values():
            one.start()
        yield servers


@pytest.mark.timeout(180)
async def test_a_cluster_that_loses_one_server_and_then_its_quorum(nodes: dict[str, NatsServer]) -> None:
    async with streaming(nodes["n1"].url, max_reconnect_attempts=-1) as lab:
        made = False
        while not made:  # until the cluster has chosen a leader
            with contextlib.suppress(nats.errors.Error):
                await lab.js.add_stream(name="ORDERS", subjects=["orders.>"], num_replicas=3)
                made = True
        await lab.publish(5)
        answer, _ = await lab.until(also=lambda answer: sum(one.current for one in answer.streams[0].replicas) == 2)
        # No leader: whoever leads after it never heard of it, and tells nothing of its absence for half a minute.
        follower, other = ("n3", "n2") if answer.streams[0].leader != "n3" else ("n2", "n3")
        nodes[follower].kill()
        _, diagnosis = await lab.until("JS-012", settings=(RuleSettings(code="JS-012", limits={"replica_s": 3.0}),))
        assert f"its replica on {follower}" in found(diagnosis, "JS-012").title
        nodes[other].kill()
        answer, diagnosis = await lab.until("JS-011")
        assert answer.no_quorum is not None
        assert found(diagnosis, "JS-011").severity == "critical"
        nodes["n2"].start()
        nodes["n3"].start()
        await lab.until()


def ran(nats_cli: Path, home: Path, url: str, line: str) -> str:
    """What the real command prints; it must succeed."""
    command = line[line.index("`") + 1 : line.rindex("`")]
    done = subprocess.run(
        ["/bin/sh", "-ec", command.replace("nats", str(nats_cli), 1)],
        env={"HOME": str(home), "XDG_CONFIG_HOME": str(home), "NATS_URL": url, "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout + done.stderr)
    return done.stdout + done.stderr


async def test_the_commands_of_findings_and_their_remedies_work(
    nats_cli: Path, tmp_path: Path, make_server: MakeServer
) -> None:
    server = make_server(jetstream=True).start()
    async with streaming(server.url) as lab:
        await lab.js.add_stream(name="ORDERS", subjects=["orders.>"])
        await lab.js.add_consumer("ORDERS", ConsumerConfig(durable_name="worker", max_ack_pending=2))
        sub = await lab.js.pull_subscribe_bind("worker", "ORDERS")
        await lab.publish(10)
        await sub.fetch(2, timeout=5)
        _, diagnosis = await lab.until("JS-001")
        finding = found(diagnosis, "JS-001")
        assert "Outstanding Acks: 2 out of maximum 2" in ran(nats_cli, tmp_path, server.url, finding.advice.now[0])
        remedy = next(line for line in finding.advice.soon if "--max-pending" in line)
        ran(nats_cli, tmp_path, server.url, remedy)
        assert (await lab.look()).consumers[0].max_ack_pending == 1000
        at_once = next(line for line in finding.advice.now if "--wait" in line)
        ran(nats_cli, tmp_path, server.url, at_once)
        held = {1, 2}
        while held:  # the ack wait was half a minute: what is held comes before that is over
            held -= {one.metadata.sequence.stream for one in await sub.fetch(1, timeout=5)}
        assert "JS-001" not in codes(judge([await lab.look()], *SOON))


async def test_a_pushed_consumer_is_of_the_service_that_subscribes_to_where_it_is_pushed(
    make_server: MakeServer,
) -> None:
    async def prepare(url: str) -> None:
        async with await nats.connect(url) as app:
            await app.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
            for name in ("mailer", "poster", "nobody"):
                config = ConsumerConfig(durable_name=name, deliver_subject=f"out.{name}")
                await app.jetstream().add_consumer("ORDERS", config)
            await app.jetstream().add_consumer("ORDERS", ConsumerConfig(durable_name="worker"))

    async def used(by: Linked) -> dict[str, bool | None]:
        answer = await streams.look(StreamsQuestion(), by.neighbour)
        assert isinstance(answer, Streams)
        return {one.name: one.used for one in answer.consumers}

    with make_server(jetstream=True, config=USERS) as server:
        await prepare(login(server.url, "app"))
        with (
            service(server, "orders", subscribe=["out.mailer"]) as orders,
            service(server, "other", subscribe=["out.poster"]),
        ):
            async with linked(pid=orders.pid, observer=login(server.url, "eye")) as it:
                assert await used(it) == {"mailer": True, "poster": False, "nobody": None, "worker": None}
            with Child("print('ready', flush=True); import time; time.sleep(60)") as idle:
                async with linked(pid=idle.pid, observer=login(server.url, "eye")) as blind:
                    assert set((await used(blind)).values()) == {None}, "nobody knows what it subscribes to"
