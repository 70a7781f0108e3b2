import asyncio
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from diagmesh.client import Mesh
from diagmesh.contract.directory import InstanceEntry, InstanceState, Rival, ServiceEntry, Services
from diagmesh.contract.findings import Severity
from diagmesh.contract.mesh import Ended
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.expected import Key
from support.meshchecks import RULES, checked, finding, told, until_told, verdict_of
from support.ruling import UP, codes, found, judge, verdict
from support.smallmesh import HEARTBEAT_S, SmallMesh

TWO = (Rival(boot="a", host="node-7"), Rival(boot="b", host="node-8"))


def directory(*rivals: Rival, **fields: Any) -> Services:
    one = InstanceEntry(instance="i1", state=InstanceState.LIVE, rivals=rivals)
    return Services(services=(ServiceEntry(service="orders", instances=(one,)),), **fields)


def test_it_is_found_in_the_directory_with_both_places() -> None:
    diagnosis = judge([UP], directory=directory(*TWO))
    assert codes(diagnosis) == ["MESH-005"]
    one = found(diagnosis, "MESH-005")
    assert (one.severity, one.instances) == (Severity.ERROR, ("orders/i1",))
    assert one.title == "2 sidecars at a time serve as orders/i1 (on node-7 and node-8): only one of them is seen"
    assert [(fact.value, fact.at) for fact in one.evidence] == [("a", "node-7"), ("b", "node-8")]


def test_two_replies_to_one_question_are_enough_and_nobody_is_told_twice() -> None:
    rivals = {Key("orders", "i1"): (replace(TWO[0]), Rival(boot="c"))}
    assert found(judge([UP], rivals=rivals), "MESH-005").title.startswith("2 sidecars")
    both = judge([UP], directory=directory(*TWO), rivals=rivals)
    assert [fact.value for fact in found(both, "MESH-005").evidence] == ["a", "b", "c"]


def test_one_each_is_clear_and_without_a_directory_it_is_blind() -> None:
    assert verdict(judge([UP], directory=directory()), "MESH-005").verdict is Judged.CLEAR
    assert verdict(judge([UP]), "MESH-005").verdict is Judged.BLIND


def test_a_coordinator_that_has_only_begun_to_listen_cannot_say() -> None:
    assert verdict(judge([UP], directory=directory(ended=Ended.WARMING)), "MESH-005").verdict is Judged.BLIND


async def test_two_real_sidecars_under_one_name_until_one_is_stopped(tmp_path: Path) -> None:
    with SmallMesh(tmp_path) as small:
        small.sidecar("orders", "i1")
        small.coordinator(more=RULES)
        async with Mesh.connect(url=small.url) as mesh:
            await until_told(mesh, {})
            twin = small.sidecar("orders", "i1", twin=True)
            check = await until_told(mesh, {"MESH-005": ("orders/i1",)})
            assert len(finding(check, "MESH-005").evidence) == 2
            assert twin.stop() == 0
            check = await until_told(mesh, {})
            assert verdict_of(check, "MESH-005").verdict is Judged.CLEAR


async def test_a_real_restart_is_not_called_that(tmp_path: Path) -> None:
    with SmallMesh(tmp_path) as small:
        small.sidecar("orders", "i1").kill()
        small.coordinator(more=RULES)
        small.sidecar("orders", "i1").kill()  # killed, so that it says no goodbye
        small.sidecar("orders", "i1")
        async with Mesh.connect(url=small.url) as mesh:
            for _ in range(5):
                assert told(await checked(mesh, 10.0)) == {}
                await asyncio.sleep(HEARTBEAT_S)
