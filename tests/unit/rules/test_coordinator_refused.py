"""MESH-010: what the server does not permit a coordinator is found where it is, and by no other rule."""

from pathlib import Path

import msgspec
import pytest

from diagmesh.client import Mesh
from diagmesh.contract.answers.coordinator import Coordinator, CoordinatorState
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_cli.local.roles import server_config
from diagmesh_rules.coordinator_refused import coordinator_refused
from support.coordinators import WELL
from support.lesser import with_lesser
from support.meshchecks import RULES, finding, until_told, verdict_of
from support.smallmesh import SERVER_NAME, SmallMesh

WORDS = "this role may not subscribe diagctl.mesh.> (user nkey UCOORD)"


def refused(*, brief: bool) -> Coordinator:
    assert WELL.link is not None
    reason = f"not permitted: {WORDS}"
    link = None if brief else msgspec.structs.replace(WELL.link, reason=reason)
    return msgspec.structs.replace(WELL, state=CoordinatorState.DEGRADED, reason=reason, link=link)


@pytest.mark.parametrize("brief", [True, False])
def test_one_that_may_not_is_found(brief: bool) -> None:
    said = judged(coordinator_refused, answered(refused(brief=brief), at="mesh/c1"), answered(WELL, at="mesh/c2"))
    (one,) = said.findings
    assert (one.code, one.severity, one.instances) == ("MESH-010", Severity.WARNING, ("mesh/c1",))
    assert one.title == WORDS
    assert one.evidence[0].value == f"not permitted: {WORDS}"


def test_one_that_is_degraded_by_what_others_do_is_clear() -> None:
    reason = "two sidecars call themselves orders/i1 (boots a and b): rename one of them"
    doubtful = msgspec.structs.replace(WELL, state=CoordinatorState.DEGRADED, reason=reason)
    assert judged(coordinator_refused, answered(doubtful, at="mesh/c1")).verdicts[0].verdict is Verdict.CLEAR


async def test_a_real_one_that_may_not_hear_operators_is_found_until_it_may(tmp_path: Path) -> None:
    with SmallMesh(tmp_path) as small:
        config = msgspec.json.decode(server_config(small.ring, ("orders", "payments"), -1))
        lesser = with_lesser(config, small.ring, "diagctl.mesh.>")
        small.server.configure(msgspec.json.encode(config | {"server_name": SERVER_NAME}).decode())
        small.server.reload()
        small.sidecar("orders", "i1")
        small.coordinator(more=RULES, warm=False)
        second = small.coordinator("c2", RULES, warm=False, seed_file=lesser)
        async with Mesh.connect(url=small.url) as mesh:
            check = await until_told(mesh, {"MESH-010": ("mesh/c2",)})
            assert "this role may not subscribe diagctl.mesh.*" in finding(check, "MESH-010").title
            second.stop()
            small.coordinator("c2", RULES, warm=False)
            check = await until_told(mesh, {})
            assert verdict_of(check, "MESH-010").verdict is Verdict.CLEAR
