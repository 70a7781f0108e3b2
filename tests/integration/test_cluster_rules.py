"""Faults of a cluster of three with JetStream, really made: a sidecar beside each, and a check by all rules.

One test, for such a cluster takes its time to come about; each step ends with everything clear again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import nats
import pytest
from nats.js.api import ConsumerConfig, StorageType
from nats.js.client import JetStreamContext

from diagmesh.contract.findings import Severity
from diagmesh.settings import RuleSettings
from support.attending import Attended, Attending
from support.linked import login
from support.links import Links, linking
from support.natsserver import NatsServer
from support.ports import free_port
from support.ruling import found

NAMES: Final = ("n1", "n2", "n3")
_ACCOUNTS: Final = """system_account: SYS
accounts {
  SYS: { users: [ { user: sys, password: sys } ] }
  APP: { jetstream: enabled, users: [ { user: app, password: app } ] }
}
"""
_MIB: Final = 1 << 20
_JETSTREAM_S: Final = 30.0
"""For one answer of JetStream: some wait for an election."""
_RULES: Final = (
    # So few and so little, because a test should not take more.
    RuleSettings(code="SRV-014", limits={"assets": 2}),
    RuleSettings(code="SRV-018", limits={"lag": 40}),
    RuleSettings(code="SRV-012", limits={"least_bytes": 30 * _MIB}),
)


class Hub:
    """The cluster, and what the mesh says of it."""

    def __init__(self, attending: Attending, asked: Attended, links: Links) -> None:
        self.servers = attending.servers
        self.asked = asked
        self.links = links
        self.until = asked.until

    async def ranks(self) -> list[str]:
        """The leader of the meta group, then those who follow."""
        meta = (await self.asked.server("n1")).meta
        assert meta is not None
        return sorted(NAMES, key=lambda name: name != meta.leader)

    async def title(self, *codes: str, **more: Any) -> str:
        """What the first of these findings says, once they are all that is found."""
        return str(found(await self.until(*codes, **more), codes[0]).title)


@asynccontextmanager
async def hub(factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    """Three servers; everything between them goes over links that can be cut."""
    ports = {name: (free_port(), {other: free_port() for other in NAMES if other != name}) for name in NAMES}
    servers = {}
    for name, (port, links_of) in ports.items():
        routes = ", ".join(f"nats://127.0.0.1:{link}" for link in links_of.values())
        # What they tell each other of where they are would lead past the links: nobody is at port 1.
        where = f'listen: "127.0.0.1:{port}", advertise: "127.0.0.1:1"'
        block = f"cluster {{ name: hub, {where}, routes: [{routes}] }}\n"
        given: dict[str, Any] = {"monitoring": True, "jetstream": True, "config": _ACCOUNTS + block, "name": name}
        servers[name] = NatsServer(factory.mktemp(name), **given)
    with Attending(factory.mktemp("mesh"), servers) as attending:
        async with linking(ports) as links:
            try:
                for one in servers.values():
                    await asyncio.to_thread(one.start)
                await asyncio.to_thread(attending.begin, *_RULES)
                async with attending.asked() as asked:
                    yield Hub(attending, asked, links)
            finally:
                for one in servers.values():
                    one.close()
                await links.idle()


async def many_replicas(it: Hub, js: JetStreamContext) -> None:
    for number in range(3):
        await js.add_stream(name=f"S{number}", subjects=[f"s{number}"], num_replicas=3)
    assert "Too many replicated streams" in await it.title("SRV-014")
    for number in range(3):
        await js.delete_stream(f"S{number}")
    await it.until()


async def a_member_behind(it: Hub) -> None:
    leader, *followers = await it.ranks()
    # By way of the leader: the one that will be frozen may be the server of any other connection.
    async with await nats.connect(login(it.servers[leader].url, "app")) as app:
        js = app.jetstream(timeout=_JETSTREAM_S)
        await js.add_stream(name="ONE", subjects=["one"], num_replicas=1)
        cluster = (await js.stream_info("ONE")).cluster
        assert cluster is not None
        lazy, other = sorted(followers, key=lambda name: name == cluster.leader)
        it.servers[lazy].freeze()
        for number in range(60):
            await js.add_consumer("ONE", ConsumerConfig(durable_name=f"c{number}"))
    title = await it.title("SRV-018", of=(leader, other))
    it.servers[lazy].thaw()
    assert title.startswith(f"{lazy} lags ")
    await it.until()


async def a_route_missing(it: Hub) -> None:
    _, second, third = await it.ranks()
    it.links.part((second, third))
    check = await it.until("SRV-026", also=lambda check: len(check.findings[0].instances) == 2)
    assert set(check.findings[0].instances) == {f"nats/{second}", f"nats/{third}"}
    it.links.join()
    await it.until()


async def a_leader_cut_off(it: Hub) -> None:
    """The others elect another one; it believes for ten seconds more that it leads."""
    leader, second, third = await it.ranks()
    it.links.part((leader, second), (leader, third))
    # Until they have elected, the others are not current with any leader, and say so themselves.
    title = await it.title("SRV-017", "SRV-026", may=("SRV-001",))
    assert f"{leader} says {leader}" in title
    it.links.join()
    await it.until()


async def one_unlike_the_others(it: Hub, js: JetStreamContext) -> str:
    await js.add_stream(name="BIG", subjects=["big"], storage=StorageType.MEMORY)
    cluster = (await js.stream_info("BIG")).cluster
    assert cluster is not None
    large = str(cluster.leader)
    async with await nats.connect(login(it.servers[large].url, "app")) as app:
        for _ in range(70):
            await app.publish("big", bytes(_MIB - 100))
        await app.flush(timeout=30)
        assert (await it.title("SRV-012")).startswith(f"{large} uses ")
    return large


@pytest.mark.timeout(300)
async def test_each_fault_of_a_cluster(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with hub(tmp_path_factory) as it:
        await it.until()
        routes = [[link.name for link in (await it.asked.server(name)).routes] for name in NAMES]
        assert routes == [["n2", "n3"], ["n1", "n3"], ["n1", "n2"]]
        async with await nats.connect(login(it.servers["n1"].url, "app")) as app:
            js = app.jetstream(timeout=_JETSTREAM_S)
            await many_replicas(it, js)
            await a_member_behind(it)
            await a_route_missing(it)
            await a_leader_cut_off(it)
            large = await one_unlike_the_others(it, js)
        it.servers[large].kill()
        check = await it.until("SRV-015", may=("SRV-001", "SRV-016"))  # where it led, until they have elected
        assert large in check.findings[0].title
        rest = [name for name in NAMES if name != large]
        it.servers[rest[0]].kill()
        check = await it.until("SRV-016", may=("SRV-015", "SRV-001"))
        assert check.findings[0].severity is Severity.CRITICAL
