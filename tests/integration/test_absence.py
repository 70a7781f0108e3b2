"""Silent, sidecar gone, process gone and gone in good order, each caused for real: one code each, then clear."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from diagmesh.client import Mesh
from diagmesh.contract.mesh import Ended
from diagmesh.contract.verdicts import Verdict
from support.meshchecks import RULES, checked, finding, told, until_told, verdict_of
from support.relay import Relay
from support.smallmesh import SmallMesh

SIDECARS = (("orders", "i1"), ("orders", "i2"), ("payments", "p1"))
ABSENCE = ("MESH-001", "MESH-002", "MESH-005", "PROC-001")
PATIENT_SERVER = 'ping_interval: "4s"\nping_max: 2'
"""It notices a dead link after about twelve seconds, as others do after minutes."""


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    """Use `small`."""
    with SmallMesh(tmp_path_factory.mktemp("mesh"), more_server=PATIENT_SERVER) as small:
        whole(small)
        small.coordinator(more=RULES)
        yield small


@pytest.fixture
def small(mended: SmallMesh) -> SmallMesh:
    """Everybody is there, whatever the test before has done to them; that all is clear is seen by each test itself."""
    whole(mended)
    return mended


def whole(small: SmallMesh) -> None:
    """Thaw who is frozen, and start who is not there."""
    for service, instance in SIDECARS:
        name = f"{service}/{instance}"
        for one in (small.watched.get(name), small.sidecars.get(name)):
            if one is not None and one.running:
                one.thaw()
        if name in small.watched and not small.watched[name].running:
            del small.watched[name]
            small.sidecars.pop(name).stop()
        if name not in small.sidecars or not small.sidecars[name].running:
            small.sidecar(service, instance)


async def all_clear(mesh: Mesh, expected: int = len(SIDECARS)) -> None:
    check = await until_told(
        mesh, {}, lambda one: (one.ended, one.expected, one.silent) == (Ended.COMPLETE, expected, ())
    )
    assert {verdict_of(check, code).verdict for code in ABSENCE} == {Verdict.CLEAR}


async def test_a_frozen_sidecar_is_silent_and_nothing_else(small: SmallMesh) -> None:
    async with Mesh.connect(url=small.url) as mesh:
        await all_clear(mesh)
        small.sidecars["orders/i1"].freeze()
        check = await until_told(mesh, {"MESH-001": ("orders/i1",)})
        assert "the service itself was not seen" in finding(check, "MESH-001").title
        assert small.watched["orders/i1"].running
        small.sidecars["orders/i1"].thaw()
        await all_clear(mesh)


async def test_a_killed_sidecar_is_gone_and_nothing_else(small: SmallMesh) -> None:
    async with Mesh.connect(url=small.url) as mesh:
        await all_clear(mesh)
        small.sidecars["orders/i1"].kill()
        check = await until_told(mesh, {"MESH-002": ("orders/i1",)})
        assert "the service itself was not seen" in finding(check, "MESH-002").title
        assert small.watched["orders/i1"].running
        small.sidecar("orders", "i1")
        await all_clear(mesh)


async def test_a_killed_process_is_gone_and_its_sidecar_is_not(small: SmallMesh) -> None:
    async with Mesh.connect(url=small.url) as mesh:
        await all_clear(mesh)
        small.watched["payments/p1"].kill()
        check = await until_told(mesh, {"PROC-001": ("payments/p1",)})
        assert check.silent == ()
        assert small.sidecars["payments/p1"].running
        small.sidecars["payments/p1"].stop()
        del small.watched["payments/p1"]
        small.sidecar("payments", "p1")
        await all_clear(mesh)


async def test_a_sidecar_that_leaves_in_good_order_is_no_finding(small: SmallMesh) -> None:
    async with Mesh.connect(url=small.url) as mesh:
        await all_clear(mesh)
        assert small.sidecars["orders/i2"].stop() == 0
        check = await checked(mesh)
        # Of the others something may be found for a moment, where the machine is busy.
        about = {code: where for code, where in told(check).items() if code in ABSENCE or "orders/i2" in where}
        assert (about, check.expected, check.silent) == ({}, len(SIDECARS) - 1, ())
        await all_clear(mesh, len(SIDECARS) - 1)


async def test_a_declared_replica_that_left_is_missing_all_the_same(tmp_path: Path) -> None:
    with SmallMesh(tmp_path) as small:
        small.sidecar("orders", "i1")
        small.sidecar("orders", "i2")
        small.coordinator(more=f"replicas = {{ orders = 2 }}\n{RULES}")
        async with Mesh.connect(url=small.url) as mesh:
            await all_clear(mesh, 2)
            assert small.sidecars["orders/i2"].stop() == 0
            check = await until_told(mesh, {"MESH-002": ("orders/",)})
            title = "1 of 2 declared replicas is missing: never heard of, or left"
            assert finding(check, "MESH-002").title == title
            small.sidecar("orders", "i2")
            await all_clear(mesh, 2)


async def test_several_at_once_are_told_apart(small: SmallMesh) -> None:
    async with Mesh.connect(url=small.url) as mesh:
        await all_clear(mesh)
        small.sidecars["orders/i1"].freeze()
        small.sidecars["orders/i2"].kill()
        small.watched["payments/p1"].kill()
        everything: dict[str, tuple[str, ...]] = {
            "MESH-001": ("orders/i1",),
            "MESH-002": ("orders/i2",),
            "PROC-001": ("payments/p1",),
        }
        await until_told(mesh, everything)


async def test_a_link_that_loses_everything_is_silence_until_the_server_notices(
    small: SmallMesh, tmp_path: Path
) -> None:
    with closing(Relay(tmp_path, small.server.port)) as relay:
        small.sidecars["orders/i1"].stop()
        small.sidecar("orders", "i1", url=relay.url)
        async with Mesh.connect(url=small.url) as mesh:
            await all_clear(mesh)
            relay.program.freeze()
            await until_told(mesh, {"MESH-001": ("orders/i1",)})
            await until_told(mesh, {"MESH-002": ("orders/i1",)})
            relay.program.thaw()
            await all_clear(mesh)
        small.sidecars.pop("orders/i1").stop()


async def test_a_link_that_is_cut_is_a_sidecar_that_is_gone(small: SmallMesh, tmp_path: Path) -> None:
    with closing(Relay(tmp_path, small.server.port)) as relay:
        small.sidecars["orders/i1"].stop()
        small.sidecar("orders", "i1", url=relay.url)
        async with Mesh.connect(url=small.url) as mesh:
            await all_clear(mesh)
            relay.program.kill()
            await until_told(mesh, {"MESH-002": ("orders/i1",)})
            assert small.sidecars["orders/i1"].running
            relay.start()
            await all_clear(mesh)
        small.sidecars.pop("orders/i1").stop()
