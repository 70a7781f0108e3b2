"""MESH-007: a late event loop and too many questions in work are found; a short look is too young."""

import msgspec
import pytest

from diagmesh.contract.answers.coordinator import Coordinator, LoopLag, Work
from diagmesh.contract.verdicts import Verdict
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.coordinator_overloaded import coordinator_overloaded
from support.coordinators import WELL


def late(p50_s: float, over_s: float = 60.0) -> Coordinator:
    lag = LoopLag(over_s=over_s, p50_s=p50_s, p99_s=p50_s * 2, max_s=p50_s * 3)
    return msgspec.structs.replace(WELL, loop_lag=lag)


def test_a_loop_that_is_late_half_of_the_time_is_found() -> None:
    said = judged(coordinator_overloaded, answered(late(0.15), at="mesh/c1"), answered(late(0.01), at="mesh/c2"))
    (finding,) = said.findings
    assert (finding.code, finding.instances) == ("MESH-007", ("mesh/c1",))
    assert finding.title == "its event loop comes 150 ms late, half of the time"
    assert [fact.value for fact in finding.evidence] == [0.15, 0.3, pytest.approx(0.45)]
    assert said.verdicts[0].judged == ("mesh/c1", "mesh/c2")


def test_one_that_is_full_of_questions_is_found() -> None:
    work = Work(in_work=60, limit=64, sending=0, refused_busy=7, unsent=0, asked=900)
    (finding,) = judged(
        coordinator_overloaded, answered(msgspec.structs.replace(WELL, work=work), at="mesh/c1")
    ).findings
    assert finding.title == "60 questions are in work, and 64 may be: more are refused"
    assert finding.evidence[1].value == 7


@pytest.mark.parametrize(("answer", "again_in_s"), [(late(9.0, 2.0), 3.0), (late(0.0, 4.0), 1.0)])
def test_what_was_watched_for_a_moment_is_too_young(answer: Coordinator, again_in_s: float) -> None:
    (verdict,) = judged(coordinator_overloaded, answered(answer, at="mesh/c1")).verdicts
    assert (verdict.verdict, verdict.again_in_s) == (Verdict.BLIND, again_in_s)
    unwatched = msgspec.structs.replace(WELL, loop_lag=None)
    assert judged(coordinator_overloaded, answered(unwatched, at="mesh/c1")).verdicts[0].again_in_s == 5.0


def test_the_threshold_can_be_set_for_one_coordinator() -> None:
    patient = RuleSettings(code="MESH-007", instances=("mesh/c1",), limits={"late_s": 0.5})
    assert judged(coordinator_overloaded, answered(late(0.15), at="mesh/c1"), settings=[patient]).findings == ()
    assert judged(coordinator_overloaded, answered(late(0.15), at="mesh/c2"), settings=[patient]).findings != ()
