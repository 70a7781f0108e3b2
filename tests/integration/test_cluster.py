"""Three servers and sites behind leafnodes: complete over all, and the truth about who is away when one is hurt."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import pytest

from diagmesh.client import Mesh
from diagmesh.client.result import MeshResult
from diagmesh.contract.answers.health import Health
from diagmesh.contract.directory import InstanceState, Services
from diagmesh.contract.mesh import Ended
from diagmesh.errors import BusError, ConnectionLost
from support.cluster import SITE, Cluster
from support.natsserver import NatsServer

HOMES: Final = {
    "orders/i1": "n1",
    "orders/i2": "n2",
    "orders/i3": "n3",
    "payments/p1": "n3",
    "payments/p2": "n2",
    "edge/e1": SITE,
}
ALL: Final = frozenset(HOMES)
COORDINATORS: Final = "n1"
OURS: Final = "n2"
"""Where the asker is."""
THIRD: Final = "n3"
"""Where neither the coordinator nor the asker is."""
AWAY: Final = (
    "unknown: its sidecar was not found: nobody listens for this question",
    f"unknown: its server {THIRD!r} did not answer",
    f"unknown: its server {SITE!r} did not answer, or it is behind a leafnode",
    f"unknown: behind the leafnode {SITE!r}",
    "unknown: it could be reached again only when the question had been asked",
)
"""All that may be said of those who lost their server."""
GENEROUS_S: Final = 45.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.site(SITE, "edge")
        for name, node in HOMES.items():
            service, _, instance = name.partition("/")
            cluster.sidecar(service, instance, node, issued=SITE if node == SITE else "mesh")
        cluster.coordinator(COORDINATORS)
        yield cluster


@pytest.fixture
async def mesh(cluster: Cluster) -> AsyncIterator[Mesh]:
    """An asker, once everybody is at home again."""
    for node in cluster.nodes.values():
        node.start()
    async with cluster.ask(OURS) as mesh:
        await until(mesh, everybody_lives)
        for name, home in {**HOMES, "mesh/c1": COORDINATORS}.items():
            if f"diag/{name}" not in cluster.on(home):
                await asyncio.to_thread(cluster.again, name)
        await until(mesh, lambda seen: everybody_lives(seen) and servers(seen) == HOMES)
        yield mesh


def servers(services: Services) -> dict[str, str]:
    """Where each live instance is connected."""
    entries = ((entry.service, one) for entry in services.services for one in entry.instances)
    return {f"{service}/{one.instance}": one.server for service, one in entries if one.state is InstanceState.LIVE}


def everybody_lives(services: Services) -> bool:
    return services.ended is Ended.COMPLETE and servers(services).keys() == ALL


async def until(mesh: Mesh, holds: Callable[[Services], bool]) -> Services:
    """The directory, as soon as something holds in it."""
    deadline, seen = time.monotonic() + GENEROUS_S, ""
    while time.monotonic() < deadline:
        try:
            services = await mesh.services()
        except BusError as error:
            seen = str(error)
        else:
            if holds(services):
                return services
            seen = f"{services.ended} {services}"
        await asyncio.sleep(0.1)
    raise TimeoutError(f"it never came about; last seen: {seen}")


async def looks(mesh: Mesh, holds: Callable[[MeshResult[Health]], bool], timeout_s: float) -> list[MeshResult[Health]]:
    """Every result until one holds; while the coordinator is not to be had, there are none."""
    deadline, results, trouble = time.monotonic() + GENEROUS_S, list[MeshResult[Health]](), ""
    while time.monotonic() < deadline:
        try:
            result = await mesh.all(Health, timeout_s=timeout_s)
        except BusError as error:
            trouble = str(error)
        else:
            if result.coordinator:  # else nobody knows who should be there
                results.append(result)
                if holds(result):
                    return results
        await asyncio.sleep(0.05)
    raise TimeoutError(f"it never came about; {trouble}; last: {results[-1].answer if results else None}")


def complete(result: MeshResult[Health]) -> bool:
    return result.ended is Ended.COMPLETE and {heard.where for heard in result.each} == ALL


def silent(result: MeshResult[Health]) -> dict[str, str]:
    return {f"{one.service}/{one.instance}": one.reason for one in result.silent}


def reached_over(cluster: Cluster, node: str) -> frozenset[str]:
    """Who is connected to this server, or behind a leafnode that is linked to it."""
    there = cluster.on(node)
    return frozenset(name for name, home in HOMES.items() if f"diag/{name}" in there or home in there)


@contextlib.contextmanager
def hurt(node: NatsServer) -> Iterator[NatsServer]:
    """Whatever happens to it: in the end it runs."""
    try:
        yield node
    finally:
        if node.running:
            node.thaw()
        node.start()


async def test_a_fan_out_is_complete_over_all_servers_and_the_site(cluster: Cluster, mesh: Mesh) -> None:
    began = time.monotonic()
    result = await mesh.all(Health, timeout_s=GENEROUS_S)
    assert time.monotonic() - began < GENEROUS_S / 3
    assert complete(result)
    assert (result.silent, result.unexpected, result.coordinator) == ((), (), "c1")
    assert servers(await mesh.services()) == HOMES
    one = await mesh.one(Health, "edge", instance="e1", timeout_s=GENEROUS_S)
    assert one.where == "edge/e1"
    everybody = await mesh.bus.request("diag.all.health", timeout_s=GENEROUS_S)
    assert everybody.data, "anybody"


async def test_a_killed_server_is_why_its_sidecars_are_unknown_until_they_are_back(
    cluster: Cluster, mesh: Mesh
) -> None:
    hanging = cluster.sidecars["payments/p1"]  # so that it certainly does not come back at once
    hanging.freeze()
    with hurt(cluster.nodes[THIRD]) as killed:
        victims = reached_over(cluster, THIRD)
        assert victims >= {"orders/i3", "payments/p1"}
        killed.kill()
        try:
            results = await looks(mesh, lambda one: silent(one).keys() == {"payments/p1"}, 2.0)
        finally:
            hanging.thaw()
        for result in results:
            for name, reason in silent(result).items():
                assert name in victims, f"{name} stands on a server that nothing happened to: {reason}"
                assert reason.startswith(AWAY), reason
        assert silent(results[-1])["payments/p1"].startswith(f"unknown: its server {THIRD!r} did not answer")
        await looks(mesh, complete, 2.0)
        services = await until(mesh, everybody_lives)
        assert set(servers(services).values()) == {COORDINATORS, OURS, SITE}
        killed.start()
        async with cluster.ask(THIRD) as elsewhere:
            assert complete((await looks(elsewhere, complete, 5.0))[-1]), "it has joined again"


async def test_whoever_comes_back_while_others_are_waited_for_is_asked_again(cluster: Cluster, mesh: Mesh) -> None:
    with hurt(cluster.nodes[THIRD]) as killed:
        behind = reached_over(cluster, THIRD) & {"edge/e1"}
        killed.kill()
        began = time.monotonic()
        result = await mesh.all(Health, timeout_s=20)
        # Two came back after the question had been published; they were asked once more and not waited for in vain.
        # A whole service that nobody could reach (503) is not waited for at all.
        assert {heard.where for heard in result.each} >= ALL - behind, silent(result)
        assert all(reason.startswith(AWAY) for reason in silent(result).values()), silent(result)
        assert time.monotonic() - began < 15


async def test_when_the_coordinators_server_is_killed_nobody_is_called_missing_for_it(
    cluster: Cluster, mesh: Mesh
) -> None:
    with hurt(cluster.nodes[COORDINATORS]) as killed:
        killed.kill()
        for result in await looks(mesh, complete, 2.0):
            assert not [reason for reason in silent(result).values() if reason.startswith("not connected")], result
            assert len(result.each) or result.ended in (Ended.WARMING, Ended.CONNECTION_LOST)
        await until(mesh, everybody_lives)


async def test_when_our_own_server_is_killed_it_is_our_connection_that_was_lost(cluster: Cluster, mesh: Mesh) -> None:
    hanging = cluster.sidecars["orders/i3"]
    hanging.freeze()
    with hurt(cluster.nodes[OURS]) as killed:
        try:
            stream, heard = mesh.stream(Health, timeout_s=GENEROUS_S), set[str]()
            asking = asyncio.create_task(mesh.mesh(Health, timeout_s=GENEROUS_S))
            async for one in stream:
                heard.add(one.where)
                if heard == ALL - {"orders/i3"}:
                    killed.kill()
            assert (stream.ended, stream.silent) == (Ended.CONNECTION_LOST, ())
            assert heard == ALL - {"orders/i3"}, "what had come is kept"
            with pytest.raises(ConnectionLost):
                await asking
        finally:
            hanging.thaw()
        await looks(mesh, complete, 2.0)


async def test_a_frozen_server_costs_its_sidecars_only_and_not_for_long(cluster: Cluster, mesh: Mesh) -> None:
    with hurt(cluster.nodes[THIRD]) as frozen:
        victims = reached_over(cluster, THIRD)
        frozen.freeze()
        results = await looks(mesh, complete, 2.0)
        assert len(results) > 1, "it was missed"
        for result in results:
            for name, reason in silent(result).items():
                assert name in victims, f"{name} stands on a server that nothing happened to: {reason}"
                assert reason.startswith(AWAY), reason
        first = silent(results[0])
        assert first.keys() == victims
        assert f"its server {THIRD!r} did not answer" in first["orders/i3"]
        frozen.thaw()
        assert complete((await looks(mesh, complete, 2.0))[-1])


async def test_a_lame_duck_is_left_before_it_goes(cluster: Cluster, mesh: Mesh) -> None:
    with hurt(cluster.nodes[THIRD]) as leaving:
        victims = reached_over(cluster, THIRD)
        began = time.monotonic()
        leaving.lame_duck()
        moved = lambda seen: everybody_lives(seen) and THIRD not in servers(seen).values()  # noqa: E731
        asking = asyncio.create_task(until(mesh, moved))
        while not asking.done():
            result = await mesh.all(Health, timeout_s=5.0)
            for name, reason in silent(result).items():
                assert name in victims, name
                assert not reason.startswith("connected but silent"), reason
        await asking
        assert time.monotonic() - began < 10, "the server itself would have kept them for so long"
        leaving.kill()


# --- the site


async def test_a_site_that_is_cut_off_is_unknown_and_never_not_connected(cluster: Cluster, mesh: Mesh) -> None:
    hanging = cluster.sidecars["edge/e1"]
    hanging.freeze()
    try:
        (result, *_) = await looks(mesh, lambda one: "edge/e1" in silent(one), 2.0)
        assert f"unknown: behind the leafnode {SITE!r}" in silent(result)["edge/e1"]
        with hurt(cluster.nodes[SITE]) as cut:
            cut.kill()
            results = await looks(mesh, lambda one: "did not answer" in silent(one).get("edge/e1", ""), 2.0)
            for one in results:
                assert silent(one).keys() == {"edge/e1"}
                assert silent(one)["edge/e1"].startswith("unknown: "), silent(one)
    finally:
        hanging.thaw()
    await looks(mesh, complete, 2.0)


async def test_a_link_that_swallows_answers_is_told_with_the_remedy(cluster: Cluster, mesh: Mesh) -> None:
    """Its user has allow_responses, which does not cross the link."""
    site = cluster.site("site-depot", "depot")
    name = "depot/d1"
    try:
        with cluster.sidecar("depot", "d1", "site-depot", issued="site-depot"):
            await until(mesh, lambda seen: name in servers(seen))
            deadline, reason = time.monotonic() + GENEROUS_S, ""
            # While its link is new it may as well be that the question came too soon for it, and that is told.
            while not reason.startswith("unknown: behind the leafnode 'site-depot'"):
                assert time.monotonic() < deadline, reason
                reason = silent(await mesh.all(Health, services=["depot"], timeout_s=2.0))[name]
            assert "let the user of that leafnode publish to the inboxes (deploy/nats/CLUSTER.md)" in reason
        await until(mesh, lambda seen: name not in servers(seen))
    finally:
        del cluster.sidecars[name]
        del cluster.nodes["site-depot"]
        site.close()


async def test_one_of_a_service_is_one_on_this_side_of_the_link(cluster: Cluster, mesh: Mesh) -> None:
    try:
        with cluster.sidecar("edge", "h1", THIRD):
            await until(mesh, lambda seen: "edge/h1" in servers(seen))
            here = {(await mesh.one(Health, "edge", timeout_s=10)).where for _ in range(20)}
            assert here == {"edge/h1"}
            async with cluster.ask(SITE, SITE) as there:
                assert {(await there.one(Health, "edge", timeout_s=10)).where for _ in range(20)} == {"edge/e1"}
            both = await mesh.all(Health, services=["edge"], timeout_s=GENEROUS_S)
            assert {heard.where for heard in both.each} == {"edge/h1", "edge/e1"}
    finally:
        del cluster.sidecars["edge/h1"]
