"""GO-006: many more threads than the quota has time for are found; what Go itself takes is fine."""

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.runtime import Known, Runtime
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.gomaxprocs_above_quota import gomaxprocs_above_quota
from support.ruling import RUNS, codes, found, judge, verdict


def limited(procs: int | None, quota: float, throttled: float | None = 0.0, known: Known = Known.TOLD) -> Runtime:
    scheduler = replace(
        RUNS.scheduler,
        gomaxprocs=procs,
        known=known if procs else None,
        bound=Bound.LIMITED,
        quota_cores=quota,
        allowed_cpus=64,
        throttled_share=throttled,
    )
    return replace(RUNS, scheduler=scheduler)


@pytest.mark.parametrize(("throttled", "severity"), [(0.3, Severity.WARNING), (0.0, Severity.INFO)])
def test_it_is_found_and_a_warning_where_it_is_stopped(throttled: float, severity: Severity) -> None:
    diagnosis = judge([limited(64, 1.5, throttled, Known.DEFAULT)])
    assert codes(diagnosis) == ["GO-006"]
    finding = found(diagnosis, "GO-006")
    assert (finding.title, finding.severity) == ("GOMAXPROCS is 64 under a CPU quota of 1.5 cores", severity)
    assert finding.evidence[0].what == "GOMAXPROCS (what this version of Go takes by itself)"
    assert finding.advice.now[0] == "set GOMAXPROCS=2 in its environment, and restart it"


@pytest.mark.parametrize(
    ("procs", "quota", "wanted"),
    [(2, 0.1, []), (3, 1.0, []), (4, 1.0, ["GO-006"]), (7, 3.2, []), (8, 4.0, ["GO-006"]), (8, 4.1, [])],
)
def test_twice_the_quota_in_whole_cpus_is_far_above(procs: int, quota: float, wanted: list[str]) -> None:
    assert codes(judge([limited(procs, quota)])) == wanted


def test_without_a_quota_it_is_clear() -> None:
    assert verdict(judge([RUNS]), "GO-006").verdict is Judged.CLEAR


def test_what_was_not_seen_is_blind() -> None:
    unseen = replace(RUNS, scheduler=replace(RUNS.scheduler, bound=Bound.UNKNOWN))
    for answer, why in ((unseen, "CPU quota was not seen"), (limited(None, 1.0), "GOMAXPROCS is not told")):
        one = verdict(judge([answer]), "GO-006")
        assert one.verdict is Judged.BLIND
        assert why in one.not_judged[0].why


def test_the_threshold_can_be_set() -> None:
    higher = RuleSettings(code="GO-006", limits={"factor": 10})
    assert judged(gomaxprocs_above_quota, answered(limited(8, 1.0)), settings=[higher]).findings == ()
