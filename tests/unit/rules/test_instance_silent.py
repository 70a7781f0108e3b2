import pytest

from diagmesh.contract.answers.health import Health
from diagmesh.contract.directory import InstanceEntry, InstanceState, ServiceEntry, Services
from diagmesh.contract.mesh import Silent
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Problem
from support.replies import NOW
from support.ruling import UP, codes, found, judge, reply, verdict

HUNG = Silent(
    service="orders",
    instance="i2",
    reason="connected but silent: its sidecar is hung, frozen or overloaded",
    last_seen=NOW,
)
UNKNOWN = Silent(service="orders", instance="i2", reason="unknown: this role may not ask the server")


def directory(state: InstanceState = InstanceState.LIVE, name: str = "i2") -> Services:
    instances = (InstanceEntry(instance="i1", state=InstanceState.LIVE), InstanceEntry(instance=name, state=state))
    return Services(services=(ServiceEntry(service="orders", instances=instances),))


@pytest.mark.parametrize(
    ("silent", "known"),
    [([HUNG], None), ([HUNG], directory()), ([], directory(InstanceState.SILENT)), ([HUNG, HUNG], directory())],
)
def test_it_is_found_once_and_only_there(silent: list[Silent], known: Services | None) -> None:
    diagnosis = judge([UP], silent=silent, directory=known)
    assert codes(diagnosis) == ["MESH-001"]
    assert found(diagnosis, "MESH-001").instances == ("orders/i2",)


def test_when_it_was_last_heard_is_told_to_the_second() -> None:
    facts = found(judge([], silent=[HUNG]), "MESH-001").evidence
    assert {fact.what: fact.value for fact in facts}["sidecar last heard"] == "2026-03-04T05:06:07Z"


def test_one_that_answered_anything_is_not_silent() -> None:
    answered = reply(Problem(code=503, error="unavailable", detail="no"), Health, "orders/i2")
    diagnosis = judge([UP, answered], silent=[HUNG], directory=directory(InstanceState.SILENT))
    assert verdict(diagnosis, "MESH-001").verdict is Judged.CLEAR


def test_all_heard_is_clear_and_nothing_known_is_blind() -> None:
    assert verdict(judge([UP, reply(UP, name="orders/i2")], directory=directory()), "MESH-001").verdict is Judged.CLEAR
    assert verdict(judge([UP]), "MESH-001").verdict is Judged.BLIND


def test_a_connection_that_could_not_be_looked_up_is_blind_for_both() -> None:
    diagnosis = judge([UP], silent=[UNKNOWN], directory=directory())
    assert codes(diagnosis) == []
    for code in ("MESH-001", "MESH-002"):
        one = verdict(diagnosis, code)
        assert (one.verdict, one.not_judged[0].instance) == (Judged.BLIND, "orders/i2")
