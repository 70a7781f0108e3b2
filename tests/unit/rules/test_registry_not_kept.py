from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from diagmesh.client import Mesh
from diagmesh.contract.directory import CoordinatorEntry, Registry, RegistryState, Services
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.meshchecks import RULES, finding, until_told, verdict_of
from support.ruling import UP, codes, found, judge, verdict
from support.smallmesh import SmallMesh


def directory(state: RegistryState = RegistryState.DEGRADED, **fields: Any) -> Services:
    registry = Registry(**{"state": state, "reason": "JetStream has no quorum", "required": True, **fields})
    return Services(coordinators=(CoordinatorEntry(instance="c1", boot="b1", self=True),), registry=registry)


def test_it_is_found_where_the_settings_insist() -> None:
    seen = directory(pending=3, since=datetime(2026, 11, 27, tzinfo=UTC))
    diagnosis = judge([UP], directory=seen)
    assert codes(diagnosis) == ["MESH-009"]
    one = found(diagnosis, "MESH-009")
    assert (one.severity, one.instances) == (Severity.WARNING, ("mesh/c1",))
    assert one.title == "who is expected is not written down: JetStream has no quorum"
    assert [fact.value for fact in one.evidence] == [3, "2026-11-27T00:00:00+00:00"]


def test_kept_or_only_wished_for_is_clear() -> None:
    for seen in (directory(RegistryState.KEPT), directory(required=False), Services()):
        assert verdict(judge([UP], directory=seen), "MESH-009").verdict is Judged.CLEAR


def test_one_that_has_just_started_and_has_not_read_it_yet_is_no_finding() -> None:
    said = verdict(judge([UP], directory=directory(RegistryState.OFF, reason="it was not read yet")), "MESH-009")
    assert (said.verdict, said.again_in_s) == (Judged.BLIND, 1.0)
    lost = directory(RegistryState.OFF, since=datetime(2026, 11, 27, tzinfo=UTC))
    assert codes(judge([UP], directory=lost)) == ["MESH-009"]


def test_without_a_directory_it_is_blind() -> None:
    assert verdict(judge([UP]), "MESH-009").verdict is Judged.BLIND


async def test_a_real_coordinator_that_may_not_write_is_found_until_it_may(tmp_path: Path) -> None:
    insists = 'registry = { keep = "required", bucket = "not_permitted" }'
    with SmallMesh(tmp_path) as small:
        small.sidecar("orders", "i1")
        coordinator = small.coordinator(more=f"{insists}\n{RULES}", warm=False)
        async with Mesh.connect(url=small.url) as mesh:
            check = await until_told(mesh, {"MESH-009": ("mesh/c1",)})
            assert "not permitted: this role may not publish" in finding(check, "MESH-009").title
            coordinator.stop()
            small.coordinator(more=f'registry = {{ keep = "required" }}\n{RULES}', warm=False)
            check = await until_told(mesh, {})
            assert verdict_of(check, "MESH-009").verdict is Judged.CLEAR
