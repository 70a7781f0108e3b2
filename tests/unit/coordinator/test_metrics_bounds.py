"""Whoever invents kinds or services cannot fill the coordinator's metrics; a part of a check clears nothing."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from diagmesh.contract.findings import Finding, FindingClass, Severity
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.verdicts import Check, RuleVerdict, Verdict
from diagmesh.contract.wire import Status
from diagmesh_coordinator.loop_lag import watch_lag
from diagmesh_coordinator.metrics import OTHER, Metrics
from diagmesh_coordinator.metrics_sources import Sources
from support.lab import Lab


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one name: label values to value."""
    families = text_string_to_metric_families(metrics.page("")[1].decode())
    return {tuple(one.labels.values()): one.value for family in families for one in family.samples if one.name == name}


def test_kinds_have_a_bound_and_nothing_is_lost() -> None:
    metrics = Metrics()
    for number in range(300):
        metrics.asked(f"kind-{number}", Status.ANSWERED, 0.01)
        metrics.gathered(MeshAnswer(of=f"kind-{number}", expected=1, answered=0, by_status={"silent": 1}))
    asked = samples(metrics, "diagmesh_questions_total")
    assert len(asked) == 65
    assert asked[OTHER, "answered"] == 300 - 64
    assert sum(samples(metrics, "diagmesh_gather_replies_total").values()) == 300
    assert len(samples(metrics, "diagmesh_question_seconds_count")) == 65


async def test_services_have_a_bound_and_are_all_counted() -> None:
    lab = Lab(replicas={f"s{number:03}": 2 for number in range(600)})
    metrics = Metrics()
    metrics.read(Sources(lab.bus, lab.coordinator.directory, lab.coordinator.member, 64))
    instances = samples(metrics, "diagmesh_instances")
    lacking = {service: count for (service, state), count in instances.items() if state == "lacking"}
    assert len(lacking) == 501
    assert lacking[OTHER] == 200
    assert sum(lacking.values()) == 1200
    assert samples(metrics, "diagmesh_services") == {(): 600}


def found(*codes: str) -> Check:
    findings = tuple(
        Finding(code=code, severity=Severity.ERROR, class_=FindingClass.CRASH, title="x", instances=("orders/i1",))
        for code in codes
    )
    verdicts = tuple(RuleVerdict(code=code, title="x", verdict=Verdict.FOUND) for code in codes)
    return Check(findings=findings, verdicts=verdicts)


def test_only_a_whole_check_says_what_there_is_no_more() -> None:
    metrics = Metrics()
    metrics.checked(found("PROC-001", "PROC-001", "RES-001"), whole=True)
    seen = samples(metrics, "diagmesh_check_findings")
    assert seen == {("PROC-001", "error"): 2, ("RES-001", "error"): 1}
    at = samples(metrics, "diagmesh_check_timestamp_seconds")
    metrics.checked(found(), whole=False)
    assert samples(metrics, "diagmesh_check_findings") == seen
    assert samples(metrics, "diagmesh_check_timestamp_seconds") == at
    metrics.checked(found(), whole=True)
    assert samples(metrics, "diagmesh_check_findings") == {}
    assert samples(metrics, "diagmesh_check_rules")[("found",)] == 0


async def test_a_blocked_loop_is_felt() -> None:
    lags: list[float] = []
    watching = asyncio.get_running_loop().create_task(watch_lag(lags.append, 0.01))
    while not lags:
        await asyncio.sleep(0.01)
    end = asyncio.get_running_loop().time() + 0.3
    while asyncio.get_running_loop().time() < end:
        pass
    while max(lags) < 0.2:
        await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.wait({watching})
