import pytest

from diagmesh.contract.directory import InstanceEntry, InstanceState, ServiceEntry, Services
from diagmesh.contract.findings import Severity
from diagmesh.contract.mesh import Ended, Silent
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import UP, codes, found, judge, reply, verdict

GONE = Silent(service="orders", instance="i2", reason="not connected: its sidecar is not connected to NATS")
NEVER = Silent(service="orders", instance="", reason="not connected: 3 replicas are declared")


def directory(state: InstanceState = InstanceState.LIVE, lacking: int = 0, ended: Ended = Ended.COMPLETE) -> Services:
    instances = (InstanceEntry(instance="i1", state=InstanceState.LIVE), InstanceEntry(instance="i2", state=state))
    entry = ServiceEntry(service="orders", instances=instances, declared=3, lacking=lacking)
    return Services(services=(entry,), ended=ended)


@pytest.mark.parametrize(
    ("silent", "known"), [([GONE], None), ([GONE], directory()), ([], directory(InstanceState.NOT_CONNECTED))]
)
def test_it_is_found_and_is_not_silence(silent: list[Silent], known: Services | None) -> None:
    diagnosis = judge([UP], silent=silent, directory=known)
    assert codes(diagnosis) == ["MESH-002"]
    finding = found(diagnosis, "MESH-002")
    assert (finding.severity, finding.instances) == (Severity.ERROR, ("orders/i2",))
    assert "the service itself was not seen" in finding.title


@pytest.mark.parametrize(
    ("known", "title"),
    [
        (None, "2 declared replicas are missing: never heard of, or left"),
        (directory(lacking=1), "1 of 3 declared replicas is missing: never heard of, or left"),
        (directory(lacking=2), "2 of 3 declared replicas are missing: never heard of, or left"),
    ],
)
def test_declared_replicas_that_never_came_are_found(known: Services | None, title: str) -> None:
    diagnosis = judge([UP, reply(UP, name="orders/i2")], silent=[NEVER, NEVER], directory=known)
    assert codes(diagnosis) == ["MESH-002"]
    assert found(diagnosis, "MESH-002").title == title


def test_a_coordinator_that_has_only_begun_to_listen_cannot_say() -> None:
    known = directory(lacking=1, ended=Ended.WARMING)
    assert verdict(judge([UP, reply(UP, name="orders/i2")], directory=known), "MESH-002").verdict is Judged.BLIND


def test_all_there_is_clear_and_nothing_known_is_blind() -> None:
    assert verdict(judge([UP], directory=directory()), "MESH-002").verdict is Judged.CLEAR
    assert verdict(judge([UP]), "MESH-002").verdict is Judged.BLIND
